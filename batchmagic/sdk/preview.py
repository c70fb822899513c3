"""The first rows of a result, however large it is."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.constants import OutputFormat
from batchmagic.errors import StateError
from batchmagic.sdk.results import output_file, read_result, stored_columns
from batchmagic.sdk.rows import read_rows

if TYPE_CHECKING:
    import pandas as pd

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

_HEAD = 1 << 20


def preview(ws: Workspace, record: JobRecord, *, rows: int) -> pd.DataFrame:
    """Return the first rows of a job that has completed; of a large file only the beginning is read.

    Raises
    ------
    StateError
        As `read_result` does, and if the beginning of a large file cannot be read without the rest.
    """
    path = output_file(ws, record)
    if path is None or not path.exists() or path.stat().st_size <= _HEAD:
        return read_result(ws, record).head(rows)
    if record.spec.settings.effective_format() is OutputFormat.PARQUET:
        return _first_of_parquet(path, rows)
    try:
        return _first_lines(ws, record, path).head(rows)
    except StateError as error:
        raise StateError("The rows are too long for a preview.", target="output") from error


def _first_of_parquet(path: Path, rows: int) -> pd.DataFrame:
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=rows), None)
        table = file.schema_arrow.empty_table() if batch is None else batch
        frame: pd.DataFrame = table.to_pandas()
    return frame


def _first_lines(ws: Workspace, record: JobRecord, path: Path) -> pd.DataFrame:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    whole, newline, _ = head.rpartition(b"\n")
    if not newline:
        raise StateError("The first row is too long for a preview.", target="output")
    with tempfile.TemporaryDirectory() as folder:
        part = Path(folder) / path.name
        part.write_bytes(whole + newline)
        return read_rows(part, record.spec, stored_columns(ws, record.name))
