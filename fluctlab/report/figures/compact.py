"""The SVG that matplotlib writes, made small: what is seen stays the same, to a hundredth of a point.

Blanks, comments and the names of groups are left out, marks of a group say their style once, and the outlines of letters,
which are most of a figure, are written with relative coordinates in the font's own units.
"""

from __future__ import annotations

import re
from functools import lru_cache

__all__ = ["compact"]

#: matplotlib outlines letters at a size of 100 and draws each with this scale of the font's units.
_UNITS = 64
_UNIT_SCALE = ' transform="scale(0.015625)"'
#: Outlines that are kept; a figure has some forty.
_KEPT = 2048

_SPACE = re.compile(r"\s*\n\s*")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_GROUP = re.compile(r'<g id="[^"]*">')
_SINGLE = re.compile(r"<g>(<path [^>]*/>)</g>")
_OUTLINE = re.compile(rf'd="([^"]*)"{re.escape(_UNIT_SCALE)}')
_PATH = re.compile(r'(?<= )d="([^"]*)"')
_PLACE = re.compile(r'( [xy]="-?\d*\.\d\d)\d+')
_SHIFTED = re.compile(r"(translate\(-?\d*\.?\d{0,2})\d*( -?\d*\.?\d{0,2})\d*\)")
_LONG = re.compile(r"(\.\d\d)\d+")
_STEP = re.compile(r" ?([MLQCz]) ?")
_USES = re.compile(r'<g([^>]*)>((?:<use [^>]* style="[^"]*"/>)+)</g>')
_STYLE = re.compile(r' style="([^"]*)"')
_TEXT = re.compile(r'scale\((\S+) -\1\)">((?:<defs>(?:<path [^>]*/>)*</defs>)?)((?:<use [^>]*/>)+)</g>')
_SHIFT = re.compile(r' transform="translate\((\S+) (\S+)\)"')
_NAME = re.compile(r'(?<=id=")[^"]+(?=")|(?<=#)[A-Za-z][\w-]{3,}(?=[")])')


def compact(text: str) -> str:
    """Return the same picture in fewer bytes."""
    text = _COMMENT.sub("", text[text.index("<svg") :])
    text = _SPACE.sub(" ", text).replace("> <", "><").replace(" xlink:href=", " href=")
    text = _GROUP.sub("<g>", text).replace('<g style="">', "<g>")
    if text.count(_UNIT_SCALE) == text.count('<path id="DejaVu'):  # else this matplotlib outlines in another way
        text = _TEXT.sub(_in_font_units, text)
        text = _OUTLINE.sub(lambda found: f'd="{_relative(found[1])}"', text)
    text = _PATH.sub(_path, text)
    text = _SHIFTED.sub(r"\1\2)", _PLACE.sub(r"\1", text))
    text = _SINGLE.sub(r"\1", _USES.sub(_shared_style, text))
    return _renamed(text)


def _path(found: re.Match[str]) -> str:
    steps = _STEP.sub(r"\1", _LONG.sub(r"\1", found[1]))
    return f'd="{steps.strip()}"'


def _shared_style(found: re.Match[str]) -> str:
    """Say once what all marks of a group have in common."""
    styles = set(_STYLE.findall(found[2]))
    if len(styles) != 1 or "style=" in found[1]:
        return found[0]
    return f'<g{found[1]} style="{styles.pop()}">{_STYLE.sub("", found[2])}</g>'


def _in_font_units(found: re.Match[str]) -> str:
    """Put the letters of a text at whole units of the font."""
    scale = f"{float(found[1]) / _UNITS:.8g}"
    return f'scale({scale} -{scale})">{found[2]}{_SHIFT.sub(_place, found[3])}</g>'


def _place(found: re.Match[str]) -> str:
    return "".join(
        f' {name}="{_UNITS * float(value):.0f}"' for name, value in (("x", found[1]), ("y", found[2])) if float(value)
    )


@lru_cache(_KEPT)
def _relative(outline: str) -> str:
    """Write an outline in whole units with each point relative to the one before."""
    made, x, y, start = [], 0, 0, (0, 0)
    for step, rest in re.findall(r"([MLQCz])([^MLQCz]*)", outline):
        numbers = [round(float(number)) for number in rest.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        made.append(step.lower())
        # The first blank or minus sign parts two numbers.
        shifts = [str(n) for a, b in points for n in (a - x, b - y)]
        made.append("".join(n if n.startswith("-") or not at else f" {n}" for at, n in enumerate(shifts)))
        x, y = points[-1] if points else start
        start = points[0] if step == "M" else start
    return "".join(made)


def _renamed(text: str) -> str:
    """Give short names in the order of their appearance."""
    names = dict.fromkeys(re.findall(r' id="([^"]+)"', text))
    short = {name: f"a{number}" for number, name in enumerate(names)}
    return _NAME.sub(lambda found: short.get(found[0], found[0]), text)
