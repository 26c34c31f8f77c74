"""What a group of runs is called: the few settings, or the part of the name, that no other group has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from fluctlab.model import Scalar, clean_text

__all__ = ["NOT_LOGGED", "group_names"]

#: How a setting that is absent, or empty, stands in a key.
NOT_LOGGED = "none"


def group_names(
    keys: Sequence[tuple[str, ...]], varying: Sequence[str], shown_settings: Sequence[Mapping[str, Scalar]]
) -> dict[tuple[str, ...], str]:
    """Give every group a short name that no other has.

    Parameters
    ----------
    keys : sequence of tuple of str
        Key of the group of each run: ``settings`` and the values of ``varying``, ``directory`` and a name, or both.
    varying : sequence of str
        Names of the settings that tell groups apart.
    shown_settings : sequence of mapping
        Settings of each run as logged.
    """
    unique = list(dict.fromkeys(keys))
    by_settings = [k for k in unique if k[0] == "settings"]
    prefix = _common_prefix([k[-1] for k in unique if "directory" in k[:-1]])
    columns = _telling([k[1 : 1 + len(varying)] for k in by_settings])
    shown: dict[tuple[str, ...], str] = {}
    for key, own in zip(keys, shown_settings, strict=True):
        if key in shown:
            continue
        parts = []
        if key[0] == "settings":
            parts += [_setting(varying[c], own.get(varying[c]), key[1 + c]) for c in columns]
        if "directory" in key[:-1]:
            parts.append(key[-1][len(prefix) :] or key[-1])
        shown[key] = clean_text(", ".join(parts) or "all runs", 300)
    counts = Counter(shown.values())
    for key in unique:
        if counts[shown[key]] > 1:  # short forms that coincide are written out
            exact = [f"{n}={v}" for n, v in zip(varying, key[1:], strict=False)] if key[0] == "settings" else [key[-1]]
            shown[key] = clean_text(", ".join([*exact, *key[1 + len(varying) :][1:]]), 600)
    return shown


def _telling(rows: Sequence[tuple[str, ...]]) -> list[int]:
    """Choose few columns that tell all rows apart, in their order."""
    if not rows:
        return []
    wanted, chosen = len(set(rows)), list[int]()
    while len({tuple(r[c] for c in chosen) for r in rows}) < wanted:
        rest = [c for c in range(len(rows[0])) if c not in chosen]
        # Of columns that tell equally many apart, the first that every row has.
        missing = {c: sum(r[c] == NOT_LOGGED for r in rows) for c in rest}
        told = {c: len({tuple(r[i] for i in (*chosen, c)) for r in rows}) for c in rest}
        chosen.append(max(rest, key=lambda c: (told[c], -missing[c], -c)))
    return sorted(chosen)


def _setting(name: str, value: Scalar, normal: str) -> str:
    if normal == NOT_LOGGED:
        return f"{name} not set" if value is None else f"{name}={clean_text(str(value), 60)}"
    return f"{name}={value:.6g}" if isinstance(value, float) else f"{name}={clean_text(normal, 60)}"


def _common_prefix(names: Sequence[str]) -> str:
    """Return the directories that all names begin with, the last part never among them."""
    if not names:
        return ""
    split = [name.split("/")[:-1] for name in names]
    shared = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return "".join(f"{part}/" for part in shared)
