"""Logs of MLPerf Training: the lines of `fluctlab.parsers.printed.mlperf`, and whatever else the training printed between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fluctlab.parsers import text
from fluctlab.parsers.printed.mlperf import MARKER
from fluctlab.parsers.printed.sniffing import is_code
from fluctlab.parsers.raw.text_decoding import decode_head

if TYPE_CHECKING:
    from fluctlab.model import ParsedLog
    from fluctlab.parsers.source import Probe, Source

__all__ = ["FORMAT", "parse", "sniff"]

FORMAT = "mlperf"


def sniff(probe: Probe) -> int:
    """Score a file by the marker of its lines; where a launcher's output hides it, the text parser reads the file as well."""
    head = decode_head(probe.head)
    found = MARKER.findall(head)
    if not found or is_code(head, probe.name):
        return 0
    return 90 if len(found) > 1 else 70


def parse(source: Source) -> ParsedLog:
    """Read the result lines and every other line that a grammar understands."""
    return text.read_log(source, FORMAT)
