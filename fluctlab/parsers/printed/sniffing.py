"""Whether a file is the printed log of a training, from its first lines and its name."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fluctlab.parsers.printed.grammars import SETTINGS, read_line
from fluctlab.parsers.printed.lines import lines_of, without_prefix
from fluctlab.parsers.printed.record import Record
from fluctlab.parsers.raw.text_decoding import decode_head, is_binary
from fluctlab.parsers.settings.hyperparameters import is_side_file, standard_name
from fluctlab.parsers.source import Source

if TYPE_CHECKING:
    from fluctlab.parsers.source import Probe

__all__ = ["TRAINING_LINE", "is_code", "sniff"]

_LOG_NAME = re.compile(r"\.(?:log|txt|out|err)(?:\.gz|\.\d+)?$|(?:^|[_.-])log(?:[_.-]|$)|^[^.]+$", re.IGNORECASE)
_DOCUMENT_NAME = re.compile(r"\.(?:md|markdown|rst|ipynb|tex)$", re.IGNORECASE)
_SETTINGS_NAME = re.compile(r"\.(?:ya?ml|toml|ini|cfg|conf|xml|html?)$", re.IGNORECASE)
_CODE = re.compile(r"^(?:import \w|from [\w.]+ import |def \w+\(|class \w+[(:]|(?:for|if|while) .*:\s*$)", re.MULTILINE)
_SETTING_LINE = re.compile(r"\s{0,40}([A-Za-z]\w{1,40})\s{0,40}[:=]\s{0,40}\S.{0,100}")
#: A line that looks like progress of a training, whether a grammar reads it or not.
TRAINING_LINE = re.compile(
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


@dataclass(slots=True)
class _Seen:
    """What the first lines of a file hold.

    Attributes
    ----------
    proofs : set of str
        Grammars that prove a training log by one line.
    lines, rows : int
        Lines that a grammar understands and that other files hardly hold; rows of a table or printed dicts.
    looks, others : int
        Lines that look like training progress; all lines that no grammar understands.
    settings : set of str
        Standard hyperparameters that stand on a line of their own.
    """

    record: Record
    proofs: set[str] = field(default_factory=set)
    lines: int = 0
    rows: int = 0
    looks: int = 0
    others: int = 0
    settings: set[str] = field(default_factory=set)

    def take(self, line: str) -> None:
        """Look at one line."""
        message = without_prefix(line)
        grammar = read_line(self.record, message)
        if grammar is not None:
            self.proofs |= {grammar.name} if grammar.proves else set()
            self.lines += grammar.name not in _WEAK
            self.rows += grammar.name == "table-row" or (grammar.name == "row" and ("'" in message or message != line))
            return
        self.looks += bool(TRAINING_LINE.match(message))
        self.others += bool(message.strip())
        setting = _SETTING_LINE.fullmatch(message)
        name = standard_name(setting.group(1)) if setting else None
        self.settings |= {name} if name else set()

    def score(self, text: str, *, is_log_name: bool) -> int:
        """Say how sure it is."""
        if self.proofs - {"namespace", "keras-epoch"}:
            return 66
        if "namespace" in self.proofs and not _CODE.search(text):
            return 64 if any(standard_name(key) for key in self.record.hyperparameters) else 0
        if self.lines >= 2 or "keras-epoch" in self.proofs or (self.rows >= 2 and self.record.rows):
            return 62
        if _LOGGER.search(text):
            return 45
        if self.rows >= 2:
            return 40  # a table among other lines; one that stands alone is the CSV parser's
        if self.lines and is_log_name:
            return 30
        if is_log_name and (len(self.settings) >= 3 or _NETWORK.search(text)):
            return 22  # a log that prints its settings, or more than a head full of the network, before the first epoch
        return 9 if self.looks >= 3 else 0


def is_code(text: str, name: str) -> bool:
    """Whether a file is program code, which may print such lines but logs none."""
    return bool(_CODE.search(text)) and not _LOG_NAME.search(name)


def sniff(probe: Probe) -> int:
    """Score a file by how many of its first lines a grammar understands."""
    text = decode_head(probe.head)
    if not text.strip() or is_binary(text) or is_side_file(probe.name) or _SETTINGS_NAME.search(probe.name):
        return 0
    seen = _Seen(Record(Source(probe.name, data=b"")))
    for _, line in lines_of(text):
        seen.take(line)
    if is_code(text, probe.name) or (_DOCUMENT_NAME.search(probe.name) and seen.others > seen.lines + seen.rows):
        return 0  # a document that shows a piece of a log
    return seen.score(text, is_log_name=bool(_LOG_NAME.search(probe.name)))
