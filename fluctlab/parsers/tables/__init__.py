"""Tables: dialect, rows, columns, and what a column means. `fluctlab.parsers.csv` is the format."""
