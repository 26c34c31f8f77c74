"""The docstring of a cause, taken apart into headings, paragraphs and code, so that every output can render it."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from fluctlab.explanations import Paragraph, Piece, PieceKind, Section
from fluctlab.heuristics.registry import HEADINGS

__all__ = ["pieces", "sections"]

#: Code, emphasis, and what of a reference can be looked up.
_INLINE = re.compile(
    r"``(?P<code>.+?)``"
    r"|(?<![\w*])\*(?P<emphasis>[^\s*](?:[^*]*[^\s*])?)\*(?![\w*])"
    r"|(?P<arxiv>arXiv:\d{4}\.\d{4,5})"
    r"|(?P<doi>doi:10\.\d+/[^\s,;]*[^\s,;.)])"
    r"|(?P<address>https?://[^\s<>\"]*[^\s<>\".,;)])",
    re.DOTALL,
)
_REFERENCES = "References"
#: What begins a paragraph of its own: remedies are told by framework.
_FRAMEWORK = re.compile(r"(?:Keras|PyTorch):\s")
_BULLET = re.compile(r"[-*•]\s+")


def sections(page: str) -> tuple[Section, ...]:
    """Take a page apart.

    Parameters
    ----------
    page : str
        As ``registry.page`` returns it; its headings are those of ``HEADINGS``, each on an unindented line.
    """
    found: list[tuple[str, list[str]]] = []
    for line in page.splitlines()[1:]:
        if line.rstrip() in HEADINGS:
            found.append((line.rstrip(), []))
        elif found:
            found[-1][1].append(line)
    return tuple(Section(heading, tuple(_paragraphs(heading, lines))) for heading, lines in found)


def _paragraphs(heading: str, lines: list[str]) -> Iterator[Paragraph]:
    text = textwrap.dedent("\n".join(lines)).strip("\n")
    for block in re.split(r"\n\s*\n", text):
        for item, words in _items(block.splitlines(), references=heading == _REFERENCES):
            joined = " ".join(" ".join(words).split())
            if joined:
                yield Paragraph(pieces(joined), item)


def _items(lines: list[str], *, references: bool) -> Iterator[tuple[bool, list[str]]]:
    """Break a block where a bullet, a framework or the next reference begins; a reference ends with a full stop."""
    words: list[str] = []
    item = references
    for line in lines:
        bullet = _BULLET.match(line)
        ended = references and bool(words) and words[-1].endswith(".") and not line.startswith(" ")
        if bullet or _FRAMEWORK.match(line) or ended:
            yield item, words
            words, item = [], references or bullet is not None
        words.append(line[bullet.end() :] if bullet else line.rstrip())
    yield item, words


def pieces(text: str) -> tuple[Piece, ...]:
    """Find code, emphasis and addresses in a line of text.

    Examples
    --------
    >>> [(p.text, p.kind) for p in pieces("Set ``lr`` *once*.")]
    [('Set ', ''), ('lr', 'code'), (' ', ''), ('once', 'emphasis'), ('.', '')]
    """
    made: list[Piece] = []
    at = 0
    for match in _INLINE.finditer(text):
        if match.start() > at:
            made.append(Piece(text[at : match.start()]))
        made.append(_piece(match))
        at = match.end()
    return (*made, Piece(text[at:])) if at < len(text) else tuple(made)


def _piece(match: re.Match[str]) -> Piece:
    kind, shown = match.lastgroup, match[0]
    if kind == "arxiv":
        return Piece(shown, "link", f"https://arxiv.org/abs/{shown.removeprefix('arXiv:')}")
    if kind == "doi":
        return Piece(shown, "link", f"https://doi.org/{shown.removeprefix('doi:')}")
    if kind == "address":
        return Piece(shown, "link", shown)
    plain: PieceKind = "code" if kind == "code" else "emphasis"
    return Piece(match[plain], plain)
