"""Some rows of a result, however large it is: the first ones, or a page from anywhere in it."""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from batchmagic.constants import OutputFormat
from batchmagic.errors import StateError, ValidationException
from batchmagic.sdk.results import output_file, read_result, stored_columns
from batchmagic.sdk.rows import Columns, from_arrow, is_quoted, read_rows

if TYPE_CHECKING:
    import pandas as pd

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

_SMALL = 1 << 20
_FIRST_READ, _MOST_READ = 1 << 16, 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class RowPage:
    """Some rows of a result.

    Attributes
    ----------
    columns
        Names and types, as they are stored with the job.
    rows
        JSON values; null where there is none.
    next
        Where the next page begins; None after the last row.
    """

    columns: Columns
    rows: list[list[Any]]
    next: int | None


def preview(ws: Workspace, record: JobRecord, *, rows: int) -> pd.DataFrame:
    """Return the first rows of a job that has completed; of a large file only the beginning is read.

    Raises
    ------
    StateError
        As `read_result` does, and if the beginning of a large file cannot be read without the rest.
    """
    path = output_file(ws, record)
    if path is None or not path.exists() or path.stat().st_size <= _SMALL:
        return read_result(ws, record).head(rows)
    with path.open("rb") as file:
        frame, _ = _rows_from(file, record, stored_columns(ws, record.name), top=rows, start=0)
    return frame


def row_page(ws: Workspace, record: JobRecord, file: IO[bytes], *, top: int, start: int) -> RowPage:
    """Return up to `top` rows of the output of a job that has completed; what is not asked for is not read.

    Parameters
    ----------
    file
        The output, open.
    start
        0, or `next` of the page before: a byte of a text, a row of Parquet.

    Raises
    ------
    StateError
        If a row is too long to be shown.
    ValidationException
        If no row begins at `start`.
    """
    columns = stored_columns(ws, record.name)
    try:
        frame, following = _rows_from(file, record, columns, top=top, start=start)
    except ValueError as error:
        raise ValidationException(
            field="skip", value=start, reason="is no place where a row begins", hint="Use `nextLink`."
        ) from error
    values = [[_json_value(cell) for cell in frame.iloc[:, i]] for i in range(frame.shape[1])]
    return RowPage(columns=columns, rows=[list(row) for row in zip(*values, strict=True)], next=following)


def _rows_from(
    file: IO[bytes], record: JobRecord, columns: Columns, *, top: int, start: int
) -> tuple[pd.DataFrame, int | None]:
    if record.spec.settings.effective_format() is OutputFormat.PARQUET:
        return _parquet_rows(file, columns, top=top, start=start)
    has_header = record.spec.settings.effective_format() is OutputFormat.CSV
    head, start = _header(file, start) if has_header else (b"", start)
    part, following = _lines(file, start, top, quoted=is_quoted(record.spec, columns))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part"
        path.write_bytes(head + part)
        return read_rows(path, record.spec, columns), following


def _header(file: IO[bytes], start: int) -> tuple[bytes, int]:
    """Return the header, and where to go on: behind it, if that is where it began."""
    head, after = _lines(file, 0, 1, quoted=True)
    behind = len(head) if after is None else after
    return head, max(start, behind)


def _lines(file: IO[bytes], start: int, top: int, *, quoted: bool) -> tuple[bytes, int | None]:
    """Return the bytes of `top` rows from `start` on, and where the next row begins."""
    count = _FIRST_READ
    while True:
        file.seek(start)
        block = file.read(count)
        ends = _row_ends(block, top, quoted=quoted)
        if len(ends) == top or len(block) < count or count >= _MOST_READ:
            break
        count *= 4
    is_all = len(block) < count
    if is_all and len(ends) < top:
        return block, None
    if not ends:
        raise StateError("A row is too long for a preview.", target="output")
    following = start + ends[-1]
    return block[: ends[-1]], None if is_all and ends[-1] == len(block) else following


def _row_ends(block: bytes, top: int, *, quoted: bool) -> list[int]:
    """Return where the first `top` rows end; a line's end between quotes is none of a row."""
    ends: list[int] = []
    at, quotes = 0, 0
    while len(ends) < top and (end := block.find(b"\n", at)) >= 0:
        if quoted:
            quotes += block.count(b'"', at, end)
        at = end + 1
        if quotes % 2 == 0:
            ends.append(at)
    return ends


def _parquet_rows(
    file: IO[bytes], columns: Columns, *, top: int, start: int
) -> tuple[pd.DataFrame, int | None]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    with pq.ParquetFile(file) as parquet:
        total = parquet.metadata.num_rows
        if start > total:
            raise ValueError(start)
        first, before = _group_of(parquet, start)
        tables, found = [], -(start - before)
        for batch in parquet.iter_batches(
            batch_size=min(top, 1 << 16), row_groups=range(first, parquet.num_row_groups)
        ):
            tables.append(batch)
            found += len(batch)
            if found >= top:
                break
        table = pa.Table.from_batches(tables, schema=parquet.schema_arrow).slice(start - before, top)
    return from_arrow(table, columns), start + top if start + top < total else None


def _group_of(parquet: Any, row: int) -> tuple[int, int]:
    """Return the group of rows that has this one, and how many rows stand before it."""
    before = 0
    for group in range(parquet.num_row_groups):
        count = parquet.metadata.row_group(group).num_rows
        if row < before + count:
            return group, before
        before += count
    return parquet.num_row_groups, before


def _json_value(cell: Any) -> Any:
    """Return a cell as a JSON value; what JSON has no word for is text, and nothing is null."""
    if hasattr(cell, "tolist"):
        cell = cell.tolist()  # of NumPy: an array, or one value of it
    if isinstance(cell, dict):
        return {str(key): _json_value(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_json_value(value) for value in cell]
    if cell is None or isinstance(cell, bool | int | str):
        return cell
    if isinstance(cell, float):
        return cell if math.isfinite(cell) else None if math.isnan(cell) else str(cell)
    if isinstance(cell, bytes):
        return cell.hex()
    text = str(cell)
    return None if text in {"NaT", "<NA>", "nan"} else text
