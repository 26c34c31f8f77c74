"""Histories as data: JSON read whole or in pieces, rows and lists into series. The JSON formats and the arrays are made of it."""
