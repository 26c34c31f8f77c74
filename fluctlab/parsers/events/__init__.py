"""The records of event files: framing, checksums, the wire format, scalars as columns. `fluctlab.parsers.tensorboard` is the format."""
