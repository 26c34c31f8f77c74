"""Tables: one row an epoch or a step, one column a metric, whatever the delimiter.

No writer needs code of its own: what is odd about each, the machinery finds by the form of the table. Read are, with their
headers (each is a test in ``tests/parsers/test_csv_writers.py``, where a new one goes first):

- Keras' ``CSVLogger``, appended files too: ``epoch,accuracy,learning_rate,loss,val_accuracy,val_loss``
- Lightning's ``metrics.csv``, training and validation in rows of their own: ``epoch,step,train_loss_step,val_acc``
- Ultralytics' ``results.csv``, padded with blanks until 8.2: ``epoch,train/loss,metrics/accuracy_top1,val/loss,lr/pg0``
- timm's ``summary.csv``, percent: ``epoch,train_loss,eval_loss,eval_top1,eval_top5,lr``
- fastai's ``CSVLogger``, where ``accuracy`` is the validation's: ``epoch,train_loss,valid_loss,accuracy,time``
- AlgoPerf's ``measurements.csv``: ``global_step,loss,validation/accuracy,validation/num_examples``, hundreds of columns
- DAWNBench, percent, tabs, columns in any order: ``epoch  hours  top1Accuracy``
- bearpaw's ``log.txt``, percent, no epoch: ``Learning Rate  Train Loss  Valid Loss  Train Acc.  Valid Acc.``
- TensorBoard's CSV export, tidy tables (metric, value), settings in columns of their own, and what people print

The reader is our own, line by line in Python (`tables.reader`), neither pandas nor `csv`: every line that is cut, too long,
repeated or of another form is named with its number and costs only itself, where pandas refuses the file or makes text of
a whole column. A log of 100 epochs takes it 1.4 ms, less than importing pandas by far; one of 100,000 rows 0.8 s.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fluctlab.model import ParsedLog
from fluctlab.parsers.raw.text_decoding import decode_head, is_binary, read_text
from fluctlab.parsers.settings.hyperparameters import is_side_file
from fluctlab.parsers.tables.dialect import is_header, recognise, split_line
from fluctlab.parsers.tables.reader import read_table
from fluctlab.parsers.tables.series import interpret
from fluctlab.parsers.vocabulary import axis_kind, is_metric_name, is_training_metric

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "csv"


def sniff(probe: Probe) -> int:
    """Score a file: a regular table with a header, numbers, an x axis and metric names scores highest."""
    text = decode_head(probe.head)
    if not text.strip() or is_binary(text) or is_side_file(probe.name):
        return 0
    if text.lstrip()[0] in "{[<":
        return 0  # JSON, a bracketed log, markup
    lines = re.split(r"\r\n|\r|\n", text)
    if probe.size > len(probe.head) and len(lines) > 2:
        lines.pop()  # cut by the probe, not by the writer
    table = recognise(lines)
    if table is None:
        return 0
    bonus = 4 if re.search(r"\.(?:csv|tsv)(?:\.gz)?$", probe.name, re.IGNORECASE) else 0
    rows = [line for line in lines[table.header_line + 1 :] if line.strip() and not line.lstrip().startswith("#")]
    if table.header is None:
        whole = table.regularity > 0.95 and table.numeric_columns == table.width and (table.width > 1 or bonus)
        return 8 + bonus if whole and len(rows) >= 2 else 0
    words = sum(is_metric_name(name) for name in table.header)
    sure = sum(is_training_metric(name) for name in table.header)
    axes = sum(axis_kind(name) in ("step", "epoch") for name in table.header)
    if not rows:
        cells = split_line(lines[table.header_line], table.delimiter)
        is_names = table.delimiter in "\t,;" and words and words + axes >= 2 and is_header(cells)
        return 36 + bonus if is_names else 0
    if not table.numeric_columns or table.regularity < (0.5 if words and axes else 0.75):
        return 0
    if table.delimiter in "  " and (table.regularity < 0.9 or table.numeric_columns * 2 < table.width):
        return 0
    if not axes and not sure:
        return 6 + bonus if table.delimiter not in "  " and table.width > 1 else 0
    if not axes and sure == 1 and table.width > 1:
        return 20 + bonus  # one error or accuracy among other things: seldom a training
    return 50 + bonus + 18 * bool(words) + 14 * bool(axes) - 10 * (table.delimiter in "  ") - 20 * (table.width == 1)


def parse(source: Source) -> ParsedLog | tuple[ParsedLog, ...]:
    """Read every numeric column as a series, over the rows in which it has a value."""
    text = read_text(source)
    table = read_table(text, source) if text.strip() else None
    if table is None or not table.columns:
        source.problem("no-table", "", "No table with a consistent number of columns was found.")
        return ParsedLog(FORMAT, problems=source.problems)
    if not table.n_rows:
        source.problem("no-rows", "", f"The table has a header ({', '.join(list(table.columns)[:8])}) and no rows.")
        return ParsedLog(FORMAT, problems=source.problems)
    return interpret(table, source, FORMAT)
