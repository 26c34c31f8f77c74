"""One file a cause. Its docstring is the page that ``fluctlab explain NAME`` prints; see ``heuristics.registry``."""
