"""Renderers of result objects: terminal, Markdown, HTML, JSON and figures. None of them computes."""
