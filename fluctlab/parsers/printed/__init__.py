"""Printed logs: lines and what stands before them, the grammars of the writers (one file a family), what was read so far."""
