"""An audit as a Parquet file: one row a run, the columns of ``Audit.to_frame`` and the hyperparameters as JSON."""

from __future__ import annotations

import io
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fluctlab.audits import COLUMNS, row, storable
from fluctlab.encoding import encode
from fluctlab.saving import save

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fluctlab.audits import Audit

__all__ = ["available", "write"]

_TEXT = {"run", "format", "metric", "values_unit", "fluctuation", "cause", "family", "severity"}
_WHOLE = {"epochs", "validation_size", "findings", "problems"}
#: Rows that are turned into columns at once.
_ROWS = 1000


def available() -> bool:
    """Whether pyarrow is installed (extra ``parquet``)."""
    return find_spec("pyarrow") is not None


def write(audit: Audit, path: Path) -> Path:
    """Write the file; it is there whole or not at all.

    Raises
    ------
    FluctlabError
        If it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    types = {name: pa.string() if name in _TEXT else pa.int64() if name in _WHOLE else pa.float64() for name in COLUMNS}
    schema = pa.schema([*types.items(), ("hyperparameters", pa.string())])
    content = io.BytesIO()
    with parquet.ParquetWriter(content, schema, compression="zstd") as writer:
        for rows in _batches(audit):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return save(content.getvalue(), path)


def _batches(audit: Audit) -> Iterator[list[dict[str, Any]]]:
    rows = []
    for data in audit.lines():
        made = row(data)
        whole = {name: None if made.get(name) is None else int(made[name]) for name in _WHOLE}
        numbers = {n: None if made.get(n) is None else float(made[n]) for n in COLUMNS if n not in _TEXT | _WHOLE}
        rows.append(made | whole | numbers | {"hyperparameters": storable(encode(data["hyperparameters"]))})
        if len(rows) == _ROWS:
            yield rows
            rows = []
    if rows:
        yield rows
