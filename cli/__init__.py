"""The ``fluctlab`` command: one sub-command a file."""
