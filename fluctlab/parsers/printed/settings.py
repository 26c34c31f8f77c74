"""Lines that state the settings of a training: ``Namespace(...)``, a printed dict, the command line, ``lr=0.1 bs=128``.

Blocks of several lines are read by `fluctlab.parsers.printed.blocks`. A setting wrongly invented is worse than one missed:
each entry asks for names that are known to be settings of a training.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from fluctlab.model import Scalar
from fluctlab.parsers.printed.grammar import Grammar
from fluctlab.parsers.printed.older import json_object
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.settings.hyperparameters import flatten, parse_namespace, standard_name
from fluctlab.parsers.settings.literals import parse_dict
from fluctlab.parsers.settings.plain_yaml import plain_scalar
from fluctlab.parsers.vocabulary import axis_kind

__all__ = ["GRAMMARS", "known_names"]

MAX_TOKENS = 400


def known_names(names: Iterable[str]) -> int:
    """Count the different standard hyperparameters that names stand for."""
    return len({_standard(name) for name in names} - {None})


_standard = lru_cache(maxsize=4096)(standard_name)


def _namespace(record: Record, line: str, _: re.Match[str]) -> bool:
    found = parse_namespace(line)
    if not found:
        return False
    record.new_process()
    record.settings(found)
    return True


def _dict(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read a dict of settings printed on one line, as JSON or as Python writes it."""
    text = line[match.end() :].strip()
    found = json_object(text) or parse_dict(text)
    if not found:
        return False
    flat = flatten(found, record.source)
    if known_names(flat) < 2 or any(axis_kind(name) == "epoch" and name.lower() != "epochs" for name in flat):
        return False
    record.new_process()
    record.settings(flat)
    return True


_TOKEN = re.compile(r"'[^']{0,400}'|\"[^\"]{0,400}\"|[^\s'\"]{1,400}")
_OPTION = re.compile(r"--?([A-Za-z][\w.-]{0,80})(?:=(.{0,400}))?")
_ASSIGNED = re.compile(r"\+{0,2}([A-Za-z_][\w./]{0,80})=(.{1,400})")


def _command(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read the options of ``python main.py --lr 0.1 -b 256``."""
    tokens = [token.strip("'\"") for token in _TOKEN.findall(line[match.end() :])[:MAX_TOKENS]]
    found: dict[str, Scalar] = {}
    for number, token in enumerate(tokens):
        option, assigned = _OPTION.fullmatch(token), _ASSIGNED.fullmatch(token)
        if assigned:
            found[assigned.group(1)] = plain_scalar(assigned.group(2))
        elif option and option.group(2) is not None:
            found[option.group(1)] = plain_scalar(option.group(2).strip("'\""))
        elif option:
            after = tokens[number + 1] if number + 1 < len(tokens) else "-"
            is_value = not after.startswith("-") or bool(re.fullmatch(r"-[\d.]{1,20}(?:e-?\d{1,3})?", after))
            found[option.group(1)] = plain_scalar(after) if is_value else True
    batch = found.pop("b", None)
    if isinstance(batch, int) and batch > 1:
        found.setdefault("batch_size", batch)  # the short option of the ImageNet example, torchvision and timm
    if not known_names(found):
        return False
    record.settings({name.replace("-", "_"): value for name, value in found.items() if len(name) > 1})
    return True


_ITEM = re.compile(r"([A-Za-z_][\w./-]{0,60})\s?[:=]\s{0,4}([^\s,;=:|]{1,80})[,;|]?(?:\s{1,8}|$)")


def _list(record: Record, line: str, match: re.Match[str]) -> bool:
    """Read ``lr=0.1 batch_size=128``: nothing on the line but names with values."""
    text = line[match.start(1) :].strip()
    items: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        item = _ITEM.match(text, at)
        if item is None:
            return False
        items.append((item.group(1), item.group(2)))
        at = item.end()
    names = [name for name, _ in items]
    if known_names(names) < 2 or any(axis_kind(name) == "epoch" and name.lower() != "epochs" for name in names):
        return False
    if any(re.search(r"loss|acc|err|top", name, re.IGNORECASE) and "." in value for name, value in items):
        return False
    record.settings({name: plain_scalar(value.strip("'\"")) for name, value in items})
    return True


GRAMMARS: tuple[Grammar, ...] = (
    Grammar(
        "namespace",
        "Namespace(batch_size=128, lr=0.1)",
        re.compile(r"^[^\n(]{0,60}?\bNamespace\("),
        _namespace,
        proves=True,
        needs="Namespace(",
    ),
    Grammar(
        "settings-dict",
        "args: {'lr': 0.1, 'batch_size': 128, 'arch': 'resnet18'}",
        re.compile(r"^[\w :=\-]{0,60}(?=\{['\"][A-Za-z_])"),
        _dict,
        needs="{",
    ),
    Grammar(
        "command-line",
        "python main.py --arch resnet18 --lr 0.1 -b 256",
        re.compile(
            r"^[^\n'\"]{0,40}?\b(?:python[\d.]{0,5}|torchrun)\s(?:[^\n]{0,300}?\s)??[\w./-]{1,200}\.py(?=\s{1,8}\S)"
            r"|^\s{0,8}command(?: line)?\s?:\s{0,4}\S{1,200}\.py(?=\s{1,8}\S)",
            re.IGNORECASE,
        ),
        _command,
        needs=".py ",
    ),
    Grammar(
        "settings-list",
        "lr=0.1 batch_size=128 momentum=0.9",
        re.compile(
            r"^\s{0,8}(?:[A-Za-z ]{0,40}:\s{1,4})?([A-Za-z_][\w./-]{0,60}\s?[:=]\s{0,4}[^\s,;]{1,80}[,;|]?\s{1,8}[A-Za-z_])"
        ),
        _list,
    ),
)
