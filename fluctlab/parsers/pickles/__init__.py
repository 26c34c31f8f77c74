"""Pickles and saved arrays, read by a machine that builds plain data and calls nothing."""
