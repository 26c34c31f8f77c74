"""Logs that were printed: what the grammars of `fluctlab.parsers.text_grammars` understand, line by line."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from fluctlab.model import ParsedLog, Series
from fluctlab.parsers.history_tree import read_tree
from fluctlab.parsers.hyperparameters import flatten, is_side_file, standard_name
from fluctlab.parsers.plain_yaml import plain_scalar
from fluctlab.parsers.source import Source
from fluctlab.parsers.text_decoding import decode_head, is_binary, read_text
from fluctlab.parsers.text_grammars import read_line
from fluctlab.parsers.text_lines import lines_of, without_prefix
from fluctlab.parsers.text_record import Record
from fluctlab.parsers.vocabulary import is_metric_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluctlab.parsers.source import Probe

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "text"

MAX_BLOCK_LINES = 500
_LOG_NAME = re.compile(r"\.(?:log|txt|out|err)(?:\.gz|\.\d+)?$|(?:^|[_.-])log(?:[_.-]|$)|^[^.]+$", re.IGNORECASE)
_SETTINGS_NAME = re.compile(r"\.(?:ya?ml|toml|ini|cfg|conf|xml|html?)$", re.IGNORECASE)
_CODE = re.compile(r"^(?:import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|(?:for|if|while) .*:\s*$)", re.MULTILINE)
_SETTING_LINE = re.compile(r"\s*([A-Za-z]\w{1,40})\s*[:=]\s*\S.{0,100}")
_TRAINING_LINE = re.compile(
    r"(?=.{0,150}?\b(?:epoch|iter(?:ation)?|step)[^\w\n]{0,6}\d)(?=.{0,150}?(?:loss|acc|err)[^\d\n]{0,20}\d+\.\d)(?!.{250})",
    re.IGNORECASE,
)


def sniff(probe: Probe) -> int:
    """Score a file by how many of its first lines a grammar understands."""
    text = decode_head(probe.head)
    if not text.strip() or is_binary(text) or is_side_file(probe.name) or _SETTINGS_NAME.search(probe.name):
        return 0
    record = Record(Source(probe.name, data=b""))
    understood: list[str] = []
    looks = 0
    settings: set[str | None] = {None}
    for _, line in lines_of(text):
        message = without_prefix(line)
        understood.append(read_line(record, message))
        if not understood[-1]:
            looks += bool(_TRAINING_LINE.match(message))
            setting = _SETTING_LINE.fullmatch(message)
            settings.add(standard_name(setting.group(1)) if setting else None)
    sure = {"mlperf", "json-stats", "keras-progress"} & set(understood)
    lines = sum(name not in ("", "namespace", "keras-epoch") for name in understood)
    if sure:
        return 66
    if _CODE.search(text) and not _LOG_NAME.search(probe.name):
        return 0  # program code that prints such lines
    if "namespace" in understood and not _CODE.search(text):
        return 64 if record.hyperparameters and any(standard_name(name) for name in record.hyperparameters) else 0
    if lines >= 2 or "keras-epoch" in understood:
        return 62
    is_log_name = bool(_LOG_NAME.search(probe.name))
    if lines and is_log_name:
        return 30
    if len(settings) > 3 and is_log_name:
        return 22  # a log that prints its settings, and more than a head full of the network, before the first epoch
    return 9 if looks >= 3 else 0


def parse(source: Source) -> ParsedLog:
    """Read every line a grammar understands; a JSON block at the top is read as hyperparameters."""
    record = Record(source)
    understood = looks = 0
    example = ""
    for number, message in _messages(read_text(source), record):
        name = read_line(record, message)
        understood += bool(name)
        if not name and _TRAINING_LINE.match(message):
            looks += 1
            example = example or f"line {number}"
        if record.points > source.limits.max_points:
            source.problem(
                "too-many-points",
                f"line {number}",
                f"More than {source.limits.max_points:,} values; the rest was not read.",
            )
            break
    series = record.series() + _rows(record)
    if not series:
        seen = f"{looks} lines look like training progress" if looks else "No line looks like training progress"
        detail = f"{seen}, but no grammar reads them. Log to CSV or TensorBoard, or add a grammar (a plugin of fluctlab.parsers)."
        source.problem("unknown-text-format", example, detail)
    return ParsedLog(
        FORMAT,
        tuple(series),
        MappingProxyType(dict(record.hyperparameters)),
        source.problems,
        MappingProxyType(record.block_starts()),
    )


def _messages(text: str, record: Record) -> Iterator[tuple[int, str]]:
    """Yield the messages of a log; a JSON object that spans lines goes to the record's settings instead."""
    block: list[str] = []
    for number, line in lines_of(text):
        message = without_prefix(line)
        if block:
            block.append(line)
            if line.strip() in ("}", "},") and not line.startswith((" ", "\t")):
                _json_block(block, record)
                block = []
            elif len(block) > MAX_BLOCK_LINES:
                block = []
            continue
        if message.rstrip().endswith("{") and re.fullmatch(r"(?:[\w ]{0,40}[:=]\s*)?\{\s*", message):
            block = ["{"]
            continue
        yield number, message


def _json_block(block: list[str], record: Record) -> None:
    text = "\n".join(block)
    try:
        content = json.loads(text.rstrip().rstrip(","))
    except (ValueError, RecursionError):
        # a table of Lua, as Torch prints it: "  batchSize : 128"
        pairs = (line.partition(" : ") for line in block if " : " in line)
        content = {name.strip(): plain_scalar(value.strip().strip('"')) for name, _, value in pairs}
        content = {name: value for name, value in content.items() if value not in (None, "") and not name.isdigit()}
    if isinstance(content, dict) and content:
        record.new_process()
        record.settings(flatten(content, record.source))


def _rows(record: Record) -> list[Series]:
    """Read JSON rows as a history; what is the same in each of them and no metric is a setting, not a curve."""
    if not record.rows:
        return []
    tree = read_tree(record.rows, record.source)
    record.settings(tree.hyperparameters)
    series = []
    for s in tree.series:
        is_constant = len(s) > 1 and bool((s.values == s.values[0]).all())
        if is_constant and not is_metric_name(s.name) and s.name.lower() not in ("lr", "learning_rate"):
            value = float(s.values[0])
            record.settings({s.name: int(value) if value.is_integer() else value})
        else:
            series.append(s)
    return series
