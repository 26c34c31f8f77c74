"""From facts to causes: an engine that knows no cause, facts computed once, one file a cause."""
