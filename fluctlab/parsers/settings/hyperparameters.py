"""Hyperparameters that stand beside a log: ``hparams.yaml``, ``args.json``, ``.hydra/config.yaml``, ``Namespace(...)`` lines."""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from fluctlab.errors import UnreadableLogError
from fluctlab.model import Scalar, clean_text
from fluctlab.parsers.histories.json_salvage import salvage
from fluctlab.parsers.histories.plain_json import bounded_int, pairs_hook
from fluctlab.parsers.raw.text_decoding import decode
from fluctlab.parsers.settings.hyperparameter_names import (
    canonical,
    from_file_name,
    is_hyperparameter_name,
    standard_name,
)
from fluctlab.parsers.settings.plain_yaml import load_yaml, plain_scalar

if TYPE_CHECKING:
    from fluctlab.parsers.source import Source

__all__ = [
    "SIDE_FILE_NAMES",
    "canonical",
    "flatten",
    "from_file_name",
    "is_hyperparameter_name",
    "is_side_file",
    "parse_namespace",
    "python_literal",
    "read_side_file",
    "standard_name",
]

#: Stems that make a .yaml, .yml, .json, .toml or .txt file a hyperparameter file.
SIDE_FILE_NAMES = frozenset(
    "hparams hparam hyperparameters hyperparams hyper_parameters hyper_params args arg arguments config configuration cfg params"
    " parameters opt opts options flags meta_data metadata run_cfg run_config train_cfg train_config training_config train_args"
    " training_args settings experiment_config exp_config solver meta_tags".split()
)
_SIDE_FILE = re.compile(r"([a-z_-]+?)(?:[_-]?\d{1,3})?\.(ya?ml|json|toml|txt|csv)")
_CSV_STEMS = frozenset({"meta_tags", "hparams", "hyperparameters", "hyperparams"})
_LINE = re.compile(r"[-\s]*([A-Za-z_][\w./ -]{0,80}?)\s*[:=]\s*(.*?)\s*")
_ARGUMENT = re.compile(
    r"(?<!\w)(\w{1,100})=('[^']{0,4000}'|\"[^\"]{0,4000}\"|\[[^\]]{0,4000}\]|\([^)]{0,4000}\)|[^,()]{0,4000})"
)
_MAX_NAMESPACE_CHARS = 1 << 16


def is_side_file(name: str) -> bool:
    """Whether a file name is one under which trainings leave their hyperparameters.

    Examples
    --------
    >>> is_side_file("run/hparams.yaml"), is_side_file("flags_0.json"), is_side_file("metrics.csv")
    (True, True, False)
    """
    match = _SIDE_FILE.fullmatch(name.replace("\\", "/").rpartition("/")[2].lower())
    if not match:
        return False
    stem, kind = match.group(1).replace("-", "_"), match.group(2)
    return stem in (_CSV_STEMS if kind == "csv" else SIDE_FILE_NAMES)


def read_side_file(source: Source) -> dict[str, Scalar]:
    """Read a hyperparameter file as flat names and scalars; what cannot be read is told to ``source.problem``.

    Returns
    -------
    dict
        Names as written, nested ones joined by a dot, lists as text. No standard names: see `canonical`.
    """
    text = decode(source.read_bytes(source.limits.max_sidecar_bytes))[0].replace("\0", "")
    kind = source.name.lower().rpartition(".")[2]
    try:
        content = _load(text, kind, source)
    except UnreadableLogError as error:
        source.problem("unreadable-hyperparameters", "", str(error))
        return {}
    except (RecursionError, MemoryError, OverflowError) as error:
        source.problem("unreadable-hyperparameters", "", f"Too deep or too large ({type(error).__name__}); refused.")
        return {}
    if not isinstance(content, dict):
        if content is not None:
            source.problem("unreadable-hyperparameters", "", "The file holds no names with values.")
        return {}
    return flatten(_without_wandb(content), source)


def _load(text: str, kind: str, source: Source) -> Any:
    if kind == "json":
        return _load_json(text, source)
    if kind in ("yaml", "yml"):
        return load_yaml(text, source)
    if kind == "toml":
        import tomllib

        try:
            return tomllib.loads(_with_short_keys(text, source.limits.max_nesting))
        except ValueError as error:
            lines = [m for line in text.splitlines() if len(line) < 4096 and (m := _LINE.fullmatch(line))]
            if not lines:
                raise UnreadableLogError(f"{source.name}: not valid TOML: {error}") from error
            source.problem("damaged-toml", "", f"The text is no valid TOML ({error}); its lines were read one by one.")
            return {m.group(1): plain_scalar(m.group(2)) for m in lines}
    if kind == "csv":
        rows = [line.split(",", 1) for line in text.splitlines()]
        return {row[0].strip(): plain_scalar(row[1].strip().strip('"')) for row in rows[1:] if len(row) == 2}
    if "Namespace(" in text:
        return parse_namespace(text)
    matches = (_LINE.fullmatch(line) for line in text.splitlines() if len(line) < 4096)
    return {m.group(1): plain_scalar(m.group(2)) for m in matches if m}


def _with_short_keys(text: str, most: int) -> str:
    """Return a TOML text, if no key of it has too many parts: the time one takes grows with the square of their number."""
    if any(line.partition("=")[0].count(".") > most for line in text.splitlines()):
        raise ValueError(f"a key of more than {most} parts")
    return text


def _load_json(text: str, source: Source) -> Any:
    try:
        return json.loads(text, object_pairs_hook=pairs_hook(source), parse_int=bounded_int)
    except ValueError as error:
        pieces = salvage(text, source)
        if isinstance(pieces, dict):
            return pieces
        raise UnreadableLogError(f"{source.name}: not valid JSON: {error}") from error


def _without_wandb(content: dict[str, Any]) -> dict[str, Any]:
    """Undo W&B's ``{key: {desc, value}}``."""
    wrapped = [v for v in content.values() if isinstance(v, dict) and "value" in v and set(v) <= {"value", "desc"}]
    if not wrapped:
        return content
    return {
        key: value["value"] if any(value is w for w in wrapped) else value
        for key, value in content.items()
        if key not in ("_wandb", "wandb_version")
    }


def flatten(content: dict[str, Any], source: Source) -> dict[str, Scalar]:
    """Flatten nested data to dotted names and scalars, within the limits of ``source``; lists become text."""
    limits = source.limits
    found: dict[str, Scalar] = {}
    for name, value in _leaves(content, "", limits.max_nesting):
        if len(found) >= limits.max_hyperparameters:
            source.problem("too-many-hyperparameters", "", f"Only the first {limits.max_hyperparameters:,} were read.")
            break
        key = clean_text(name, limits.max_name_chars)
        if key:
            found[key] = _scalar(value, limits.max_value_chars)
    return found


def _leaves(value: Any, name: str, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value and depth > 0:
        for key, below in value.items():
            yield from _leaves(below, f"{name}.{key}" if name else str(key), depth - 1)
    else:
        yield name, value


def _scalar(value: Any, max_chars: int) -> Scalar:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if abs(value) < 1 << 63 else float(value) if abs(value) < 1 << 1000 else "inf"
    if isinstance(value, (list, tuple)):
        if all(item is None or isinstance(item, (bool, int, float, str)) for item in value[:1000]):
            return clean_text(", ".join(str(item)[:200] for item in value[:1000]), max_chars)
        return f"({len(value)} values)"
    return (
        clean_text(value, max_chars)
        if isinstance(value, str)
        else clean_text(str(value)[:200], max_chars)
        if not value
        else "(nested)"
    )


def parse_namespace(text: str) -> dict[str, Scalar]:
    """Read the first ``Namespace(lr=0.1, ...)`` of a text: each value on its own as a literal, nothing evaluated.

    Examples
    --------
    >>> parse_namespace("INFO Namespace(lr=0.1, steps=[1, 2], gpu=None, device=device(type='cuda'))")
    {'lr': 0.1, 'steps': '1, 2', 'gpu': None, 'device': "device(type='cuda')"}
    """
    start = text.find("Namespace(")
    if start < 0:
        return {}
    inner = _balanced(text[start + len("Namespace") : start + _MAX_NAMESPACE_CHARS])
    found: dict[str, Scalar] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            call = ast.parse(f"f{inner}", mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            call = None
    if isinstance(call, ast.Call):
        for keyword in call.keywords:
            if keyword.arg:
                found[keyword.arg] = _literal(ast.get_source_segment(f"f{inner}", keyword.value) or "")
        return found
    for match in _ARGUMENT.finditer(inner):
        found[match.group(1)] = _literal(match.group(2).strip())
    return found


def _balanced(text: str) -> str:
    """Return the text up to the bracket that closes its first one."""
    depth, quote = 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote and text[i - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth == 0:
                return text[: i + 1]
    return text


def _literal(text: str) -> Scalar:
    found = python_literal(text)
    return clean_text(text, 4096) if found is text else _scalar(found, 4096)


def python_literal(text: str) -> Any:
    """Read a number, text, list or dict as Python prints it; the text itself if it is none. Nothing is evaluated.

    Examples
    --------
    >>> python_literal("{'alpha': 0.2}"), python_literal("open('x', 'w')")
    ({'alpha': 0.2}, "open('x', 'w')")
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in somebody's path is nobody's concern here
        try:
            return ast.literal_eval(text)
        except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
            return text
