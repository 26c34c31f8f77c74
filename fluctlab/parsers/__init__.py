"""The registry of log formats: one module a format, chosen by the content of the file.

The modules beside this one are the formats, and the registry with what it hands them. What several of them are made of
stands in the folders: ``events``, ``tables``, ``histories``, ``pickles``, ``printed`` (logs), ``trackers``, ``settings``
(hyperparameters) and ``raw`` (bytes and text).

A parser module has three members:

``FORMAT``
    the name people use with ``--format``.
``sniff(probe: Probe) -> int``
    0 (not mine) to 100 (certain), from the first 4 KiB and the name; pure, never raises.
``parse(source: Source) -> ParsedLog``
    everything that can be read; what cannot is told to ``source.problem``; raises nothing but ``FluctlabError``.
    A file that holds several trainings by name gives a tuple of logs, each with its ``run``.
``STORE`` (optional)
    a ``Store``, where the log is a directory of files and not one.

Other packages add formats through the entry-point group ``fluctlab.parsers`` (name -> module).
"""

from __future__ import annotations

from fluctlab.parsers.registry import FORMATS, SniffResult, parse, sniff
from fluctlab.parsers.source import Probe, Source, Store

__all__ = ["FORMATS", "Probe", "SniffResult", "Source", "Store", "parse", "sniff"]
