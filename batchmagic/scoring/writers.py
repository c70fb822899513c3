"""From the rows of mini-batches to one file: a header, columns that a mini-batch lacks, one type per column."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from pyarrow import parquet

from batchmagic.constants import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchmagic.scoring.assemble import RowWriter
    from batchmagic.workspace.ledger_entries import Columns

# One CSV field with what follows it. Fields are kept as they are written, so that an empty text ("")
# and a missing value stay different.
_FIELD = re.compile(r'("(?:[^"]|"")*"|[^,\r\n]*)(,|\r?\n|$)')
_NEEDS_QUOTES = re.compile(r'[",\r\n]')


def writer_for(form: OutputFormat, file: BinaryIO, columns: Columns) -> RowWriter:
    """Return the writer of an output format."""
    if form is OutputFormat.CSV:
        return CsvWriter(file, columns)
    if form is OutputFormat.JSONL:
        return JsonLinesWriter(file, columns)
    if form is OutputFormat.PARQUET:
        return ParquetWriter(file, columns)
    return PlainWriter(file)


class PlainWriter:
    """Azure's own form: the rows as they are, no header."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, rows: bytes, encoding: str, columns: Columns) -> None:  # noqa: ARG002
        """Write the rows of one mini-batch."""
        self._file.write(rows)

    def as_they_are(self, columns: Columns) -> BinaryIO | None:  # noqa: ARG002
        """Return the file: nothing is ever changed."""
        return self._file

    def close(self) -> None:
        """Do nothing: the form has no end."""


class CsvWriter:
    """Comma-separated with one header; rows of a mini-batch with other columns are put in their places."""

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        self._names = [name for name, _ in columns]
        if columns:
            file.write((",".join(quoted(name) for name in self._names) + "\n").encode())

    def add(self, rows: bytes, encoding: str, columns: Columns) -> None:  # noqa: ARG002
        """Write the rows of one mini-batch."""
        names = [name for name, _ in columns]
        if names == self._names:
            self._file.write(rows)
            return
        places = [names.index(name) if name in names else None for name in self._names]
        for row in raw_rows(rows.decode()):
            line = ",".join("" if at is None else row[at] for at in places)
            self._file.write(line.encode() + b"\n")

    def as_they_are(self, columns: Columns) -> BinaryIO | None:
        """Return the file for rows that have the output's columns."""
        return self._file if [name for name, _ in columns] == self._names else None

    def close(self) -> None:
        """Do nothing: the form has no end."""


def quoted(text: str) -> str:
    """Return `text` as a CSV field, quoted where it must be."""
    if not text or _NEEDS_QUOTES.search(text):
        return '"' + text.replace('"', '""') + '"'
    return text


def raw_rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of CSV text, each field as it is written there, quotes included."""
    row: list[str] = []
    at = 0
    while at < len(text):
        match = _FIELD.match(text, at)
        assert match is not None  # noqa: S101 -- the pattern matches the empty field anywhere
        row.append(match[1])
        at = match.end()
        if match[2] != ",":
            yield row
            row = []
        elif at == len(text):
            yield [*row, ""]


class JsonLinesWriter:
    """One JSON object per line, every column in each, text where any mini-batch had text."""

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._file = file
        self._columns = columns

    def add(self, rows: bytes, encoding: str, columns: Columns) -> None:  # noqa: ARG002
        """Write the rows of one mini-batch."""
        if columns == self._columns:
            self._file.write(rows)
            return
        for line in rows.splitlines():
            row = json.loads(line)
            whole = {name: converted(row.get(name), kind) for name, kind in self._columns}
            self._file.write(json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def as_they_are(self, columns: Columns) -> BinaryIO | None:
        """Return the file for rows that have the output's columns."""
        return self._file if columns == self._columns else None

    def close(self) -> None:
        """Do nothing: the form has no end."""


def converted(value: Any, kind: str) -> Any:
    """Return a JSON value as the column's type has it."""
    if value is None:
        return None
    if kind == "double" and isinstance(value, int):
        return float(value)
    if kind == "text" and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value


class ParquetWriter:
    """One Parquet file with the unified types; a row group per mini-batch would be slow to read, so they are joined."""

    _ROWS_PER_GROUP = 100_000

    def __init__(self, file: BinaryIO, columns: Columns) -> None:
        self._columns = columns
        self._schema = pa.schema([(name, arrow_type(kind)) for name, kind in columns])
        self._writer = parquet.ParquetWriter(file, self._schema)
        self._waiting: list[Any] = []
        self._rows = 0

    def add(self, rows: bytes, encoding: str, columns: Columns) -> None:  # noqa: ARG002
        """Write the rows of one mini-batch."""
        table = self._from_arrow(rows) if encoding == "arrow" else self._from_json(rows)
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= self._ROWS_PER_GROUP:
            self._flush()

    def as_they_are(self, columns: Columns) -> BinaryIO | None:
        """Return None: rows are always brought to the output's types."""

    def close(self) -> None:
        """Write the rows that wait and the footer."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
        self._waiting = []
        self._rows = 0

    def _from_arrow(self, rows: bytes) -> Any:
        table = pa.ipc.open_stream(rows).read_all()
        arrays = [
            cast(table.column(name), kind)
            if name in table.column_names
            else pa.nulls(len(table), arrow_type(kind))
            for name, kind in self._columns
        ]
        return pa.table(arrays, schema=self._schema)

    def _from_json(self, rows: bytes) -> Any:
        objects = [json.loads(line) for line in rows.splitlines()]
        arrays = [
            pa.array([parquet_value(o.get(name), kind) for o in objects], arrow_type(kind))
            for name, kind in self._columns
        ]
        return pa.table(arrays, schema=self._schema)


def arrow_type(kind: str) -> Any:
    """Return the Arrow type of a column type."""
    return {
        "null": pa.null(),
        "boolean": pa.bool_(),
        "integer": pa.int64(),
        "double": pa.float64(),
        "timestamp": pa.timestamp("us"),
        "binary": pa.binary(),
    }.get(kind, pa.string())


def cast(column: Any, kind: str) -> Any:
    """Return an Arrow column with the type of the output's column."""
    target = arrow_type(kind)
    if column.type == target:
        return column
    if pa.types.is_nested(column.type) and kind in {"json", "text"}:
        return pa.array(
            [None if v is None else json.dumps(v, ensure_ascii=False) for v in column.to_pylist()], target
        )
    # A double holds fewer digits than a wide integer, a microsecond less than a nanosecond: the type that all
    # mini-batches share decides, as in the other forms.
    return column.cast(target, safe=kind not in {"double", "timestamp"})


def parquet_value(value: Any, kind: str) -> Any:
    """Return a JSON value as Parquet stores the column's type."""
    if kind == "json" and value is not None:
        return json.dumps(value, ensure_ascii=False)
    if kind == "timestamp" and value is not None:
        return datetime.fromisoformat(value)
    return converted(value, kind)
