"""Logs that were printed: what the grammars of `fluctlab.parsers.text_grammars` understand, line by line."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import TYPE_CHECKING

from fluctlab.model import ParsedLog, Series
from fluctlab.parsers.history_tree import read_tree
from fluctlab.parsers.hyperparameters import is_side_file, standard_name
from fluctlab.parsers.source import Source
from fluctlab.parsers.text_blocks import Blocks
from fluctlab.parsers.text_decoding import decode_head, is_binary, read_text
from fluctlab.parsers.text_grammars import SETTINGS, read_line
from fluctlab.parsers.text_lines import lines_of, without_prefix
from fluctlab.parsers.text_mlperf import RESULTS
from fluctlab.parsers.text_record import Record
from fluctlab.parsers.text_tail import without_cut_number
from fluctlab.parsers.vocabulary import is_metric_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluctlab.parsers.source import Probe

__all__ = ["FORMAT", "is_code", "parse", "read_log", "sniff"]

FORMAT = "text"

_LOG_NAME = re.compile(r"\.(?:log|txt|out|err)(?:\.gz|\.\d+)?$|(?:^|[_.-])log(?:[_.-]|$)|^[^.]+$", re.IGNORECASE)
_DOCUMENT_NAME = re.compile(r"\.(?:md|markdown|rst|ipynb|tex)$", re.IGNORECASE)
_SETTINGS_NAME = re.compile(r"\.(?:ya?ml|toml|ini|cfg|conf|xml|html?)$", re.IGNORECASE)
_CODE = re.compile(r"^(?:import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|(?:for|if|while) .*:\s*$)", re.MULTILINE)
_SETTING_LINE = re.compile(r"\s{0,40}([A-Za-z]\w{1,40})\s{0,40}[:=]\s{0,40}\S.{0,100}")
_TRAINING_LINE = re.compile(
    r"(?=.{0,150}?\b(?:epoch|iter(?:ation)?|step)[^\w\n]{0,6}\d)(?=.{0,150}?(?:loss|acc|err)[^\d\n]{0,20}\d+\.\d)(?!.{250})",
    re.IGNORECASE,
)
#: Loggers that only trainings use: more than a head full of environment and network may stand before the first numbers.
_LOGGER = re.compile(
    r" - (?:mmengine|mmcls|mmpretrain) - INFO -|\bppcls INFO:|[ /](?:solver|net|caffe)\.cpp:\d{1,5}\]|\d @(?:logger|monitor|base)\.py:\d{1,5}\]"
)
#: A network as PyTorch and Keras print it.
_NETWORK = re.compile(r"^\s{0,40}\(\w{1,40}\): (?:Conv2d|BatchNorm2d|Linear)\(|^Layer \(type\)", re.MULTILINE)
#: Lines that say nothing of a file by themselves: other files hold them too, and other parsers read those.
_WEAK = SETTINGS | {"keras-epoch", "row", "table-header", "table-row", "size", "keras-sizes", "keras-part-size"}


def is_code(text: str, name: str) -> bool:
    """Whether a file is program code, which may print such lines but logs none."""
    return bool(_CODE.search(text)) and not _LOG_NAME.search(name)


def sniff(probe: Probe) -> int:
    """Score a file by how many of its first lines a grammar understands."""
    text = decode_head(probe.head)
    if not text.strip() or is_binary(text) or is_side_file(probe.name) or _SETTINGS_NAME.search(probe.name):
        return 0
    record = Record(Source(probe.name, data=b""))
    proofs: set[str] = set()
    lines = rows = looks = others = 0
    settings: set[str | None] = {None}
    for _, line in lines_of(text):
        message = without_prefix(line)
        grammar = read_line(record, message)
        if grammar is None:
            looks += bool(_TRAINING_LINE.match(message))
            others += bool(message.strip())
            setting = _SETTING_LINE.fullmatch(message)
            settings.add(standard_name(setting.group(1)) if setting else None)
            continue
        if grammar.proves:
            proofs.add(grammar.name)
        lines += grammar.name not in _WEAK
        rows += grammar.name == "table-row" or (grammar.name == "row" and ("'" in message or message != line))
    if is_code(text, probe.name) or (_DOCUMENT_NAME.search(probe.name) and others > lines + rows):
        return 0  # a document that shows a piece of a log
    return _score(record, probe.name, text, proofs, lines, rows, looks, settings)


def _score(
    record: Record, name: str, text: str, proofs: set[str], lines: int, rows: int, looks: int, settings: set[str | None]
) -> int:
    if proofs - {"namespace", "keras-epoch"}:
        return 66
    if "namespace" in proofs and not _CODE.search(text):
        return 64 if any(standard_name(key) for key in record.hyperparameters) else 0
    is_log_name = bool(_LOG_NAME.search(name))
    if lines >= 2 or "keras-epoch" in proofs or (rows >= 2 and record.rows):
        return 62
    if lines and is_log_name:
        return 30
    if is_log_name and (len(settings) > 3 or _NETWORK.search(text)):
        return 22  # a log that prints its settings, or more than a head full of the network, before the first epoch
    if _LOGGER.search(text):
        return 45
    if rows >= 2:
        return 40  # a table among other lines; one that stands alone is the CSV parser's
    return 9 if looks >= 3 else 0


def parse(source: Source) -> ParsedLog:
    """Read every line that a grammar understands, and the settings that stand above and between them."""
    return read_log(source, FORMAT)


def read_log(source: Source, format_name: str) -> ParsedLog:
    """Read a printed log, whatever the lines in it."""
    record = Record(source)
    looks = 0
    example = ""
    for number, message in _messages(without_cut_number(read_text(source), source), record):
        if read_line(record, message) is None and not record.points and _TRAINING_LINE.match(message):
            looks += 1
            example = example or f"line {number}"
        if record.points > source.limits.max_points:
            bound = source.limits.max_points
            source.problem("too-many-points", f"line {number}", f"More than {bound:,} values; the rest was not read.")
            break
    record.finish()
    # what is printed beside MLPerf's results may be of one process's share of the data
    official = record.notes.get(RESULTS, ())
    series = sorted(record.series(), key=lambda s: s.name not in official) + _rows(record)
    if not series:
        seen = f"{looks} lines look like training progress" if looks else "No line looks like training progress"
        detail = f"{seen}, but no grammar reads them. Log to CSV or TensorBoard, or add a grammar (a plugin of fluctlab.parsers)."
        source.problem("unknown-text-format", example, detail)
    return ParsedLog(
        format_name,
        tuple(series),
        MappingProxyType(dict(record.hyperparameters)),
        source.problems,
        MappingProxyType(record.block_starts()),
    )


def _messages(text: str, record: Record) -> Iterator[tuple[int, str]]:
    """Yield the messages of a log; settings that span lines go to the record instead."""
    blocks = Blocks(record)
    for number, line in lines_of(text):
        for at, _, message in blocks.take((number, line, without_prefix(line))):
            yield at, message
    for at, _, message in blocks.finish():
        yield at, message


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
