"""Python literals out of a log: parsed, never evaluated, and without the compiler's warnings about other people's text."""

from __future__ import annotations

import ast
import math
import warnings

__all__ = ["MAX_CHARS", "parse_dict", "parse_expression", "parse_statements", "plain"]

#: The compiler needs some hundred bytes a character; a longer text is not parsed.
MAX_CHARS = 1 << 17
MAX_DEPTH = 16
MAX_ITEMS = 1000


def _parse(text: str, mode: str) -> ast.AST | None:
    if len(text) > MAX_CHARS:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid decimal literal", "invalid escape sequence"
        try:
            return ast.parse(text, mode=mode)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def parse_expression(text: str) -> ast.expr | None:
    """Parse one expression, None if the text is none."""
    tree = _parse(text.strip(), "eval")
    return tree.body if isinstance(tree, ast.Expression) else None


def parse_dict(text: str) -> dict[str, object] | None:
    """Read a dict of literals, None if the text is none."""
    node = parse_expression(text)
    found = plain(node) if isinstance(node, ast.Dict) else None
    return found if isinstance(found, dict) else None


def parse_statements(text: str) -> list[ast.stmt]:
    """Parse statements, none if the text has an error."""
    tree = _parse(text, "exec")
    return tree.body if isinstance(tree, ast.Module) else []


def plain(node: ast.expr, depth: int = MAX_DEPTH) -> object:
    """Turn a parsed expression into plain data: literals, lists, dicts, ``dict(...)``; what is none of these is None.

    Examples
    --------
    >>> plain(parse_expression("dict(type='SGD', lr=0.1, betas=(0.9, 0.99), weights=open('x'))"))
    {'type': 'SGD', 'lr': 0.1, 'betas': [0.9, 0.99], 'weights': {}}
    """
    if depth <= 0:
        return None
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, (bool, int, float, str)) else None
    if isinstance(node, ast.Name):
        return {"nan": math.nan, "inf": math.inf}.get(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = plain(node.operand, depth - 1)
        return -value if isinstance(value, (int, float)) else None
    if isinstance(node, (ast.List, ast.Tuple)):
        return [plain(item, depth - 1) for item in node.elts[:MAX_ITEMS]]
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {str(key.value): plain(value, depth - 1) for key, value in pairs if isinstance(key, ast.Constant)}
    if isinstance(node, ast.Call):
        return {word.arg: plain(word.value, depth - 1) for word in node.keywords if word.arg}
    return None
