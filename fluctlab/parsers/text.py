"""Logs that were printed: what the grammars of `fluctlab.parsers.printed.grammars` understand, line by line."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from fluctlab.model import ParsedLog, Series
from fluctlab.parsers.histories.tree import read_tree
from fluctlab.parsers.printed.blocks import Blocks
from fluctlab.parsers.printed.grammars import read_line
from fluctlab.parsers.printed.lines import lines_of, without_prefix
from fluctlab.parsers.printed.mlperf import RESULTS
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.printed.sniffing import TRAINING_LINE, sniff
from fluctlab.parsers.printed.tail import without_cut_number
from fluctlab.parsers.raw.text_decoding import read_text
from fluctlab.parsers.source import Source
from fluctlab.parsers.vocabulary import is_metric_name

if TYPE_CHECKING:
    from collections.abc import Iterator


__all__ = ["FORMAT", "parse", "read_log", "sniff"]

FORMAT = "text"


def parse(source: Source) -> ParsedLog:
    """Read every line that a grammar understands, and the settings that stand above and between them."""
    return read_log(source, FORMAT)


def read_log(source: Source, format_name: str) -> ParsedLog:
    """Read a printed log, whatever the lines in it."""
    record = Record(source)
    looks = 0
    example = ""
    for number, message in _messages(without_cut_number(read_text(source), source), record):
        if read_line(record, message) is None and not record.points and TRAINING_LINE.match(message):
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
