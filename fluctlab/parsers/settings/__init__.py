"""Hyperparameters: the files and lines they stand in, and their standard names."""
