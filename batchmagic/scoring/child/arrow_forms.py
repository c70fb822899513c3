"""The forms that pyarrow writes: the same CSV bytes as without it, faster; and Arrow streams."""

from __future__ import annotations

import datetime as dt
import importlib
import sys
from typing import TYPE_CHECKING, Any

from ..columns import BINARY, BOOLEAN, DOUBLE, INTEGER, NULL, TIMESTAMP  # noqa: TID252 -- see values
from .values import as_text, csv_fields

if TYPE_CHECKING:
    from .table import Column

#: Below this number of fields, Python is faster.
_WORTH_IT = 1_000
# Between these pyarrow writes the digits that Python writes.
_LOW, _HIGH = 1e-4, 1e10


def csv_rows(columns: list[Column], rows: int) -> bytes | None:
    """Return the rows as CSV, or None where pyarrow is not loaded, too old, or not worth it."""
    pa = sys.modules.get("pyarrow")
    # A single column has a rule of its own for null, see encode.
    if pa is None or len(columns) < 2 or rows * len(columns) < _WORTH_IT:  # noqa: PLR2004
        return None
    try:
        pc = importlib.import_module("pyarrow.compute")
        fields = [_fields(pa, pc, column) for column in columns]
        lines = _join(pa, pc, *fields, separator=",")
        lines = _join(pa, pc, lines, pa.scalar("", pa.large_string()), separator="\n")
    except (ImportError, AttributeError, UnicodeEncodeError, pa.ArrowNotImplementedError):
        # A pyarrow without these functions, or a text that is no UTF-8.
        return None
    return _text_of(lines)


def _join(pa: Any, pc: Any, *fields: Any, separator: str = "") -> Any:
    return pc.binary_join_element_wise(*fields, pa.scalar(separator, pa.large_string()))


def _text_of(lines: Any) -> bytes:
    """Return all texts of an array in one, which is how Arrow keeps them."""
    chunks = lines.chunks if hasattr(lines, "chunks") else [lines]
    parts = []
    for chunk in chunks:
        if chunk.offset or not len(chunk):
            parts.append("".join(chunk.to_pylist()).encode())
        else:
            last = int.from_bytes(
                chunk.buffers()[1][8 * len(chunk) : 8 * len(chunk) + 8].to_pybytes(), sys.byteorder
            )
            parts.append(chunk.buffers()[2][:last].to_pybytes())
    return b"".join(parts)


def _fields(pa: Any, pc: Any, column: Column) -> Any:
    wide = pa.large_string()
    if column.numpy is not None and column.kind == INTEGER:
        return pc.cast(pa.array(column.numpy), wide)
    if column.numpy is not None and column.kind == DOUBLE:
        return _doubles(pa, pc, column.numpy)
    if column.arrow is not None:
        return _texts(pa, pc, pc.cast(column.arrow, wide))
    return pa.array(csv_fields(column.kind, column.values), wide)


def _doubles(pa: Any, pc: Any, values: Any) -> Any:
    """Write doubles as Python does: ``.0`` where integral, and Python's own text where the two differ."""
    numpy = sys.modules["numpy"]
    size = numpy.abs(values)
    same = (size < _HIGH) & ((size >= _LOW) | (size == 0))
    known = numpy.where(same, values, 0.0)
    texts = pc.cast(pa.array(known), pa.large_string())
    is_whole = (known == numpy.round(known)).astype("int8")
    ends = pa.array(["", ".0"], pa.large_string()).take(pa.array(is_whole))
    texts = _join(pa, pc, texts, ends)
    if same.all():
        return texts
    others = ["" if value != value else repr(value) for value in values[~same].tolist()]  # noqa: PLR0124 -- NaN
    return pc.replace_with_mask(texts, pa.array(~same), pa.array(others, pa.large_string()))


def _texts(pa: Any, pc: Any, texts: Any) -> Any:
    special = pc.or_(pc.match_substring_regex(texts, '[,"\r\n]'), pc.equal(texts, ""))
    quote = pa.scalar('"', pa.large_string())
    if pc.any(special).as_py():
        doubled = pc.replace_substring(texts, '"', '""')
        texts = pc.if_else(special, _join(pa, pc, quote, doubled, quote), texts)
    return pc.fill_null(texts, "")


def stream(columns: list[Column]) -> bytes | None:
    """Return the columns as an Arrow stream, or None where there is no pyarrow."""
    try:
        pa = importlib.import_module("pyarrow")
        importlib.import_module("pyarrow.ipc")
    except ImportError:
        return None
    table = pa.table([_array(pa, column) for column in columns], names=[column.name for column in columns])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    written: bytes = sink.getvalue().to_pybytes()
    return written


def _array(pa: Any, column: Column) -> Any:
    kind = column.kind
    if column.numpy is not None:
        return pa.array(column.numpy, from_pandas=True)
    if kind == TIMESTAMP:
        return pa.array([_microseconds(value) for value in column.values], pa.timestamp("us"))
    types = {
        NULL: pa.null(),
        BOOLEAN: pa.bool_(),
        INTEGER: pa.int64(),
        DOUBLE: pa.float64(),
        BINARY: pa.binary(),
    }
    if kind in types:
        return pa.array(column.values, types[kind])
    texts = (None if value is None else _valid(as_text(kind, value)) for value in column.values)
    return pa.array(list(texts), pa.string())


def _valid(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _microseconds(value: dt.date | None) -> dt.datetime | None:
    """Return a moment of UTC without its zone, to the microsecond."""
    if value is None:
        return None
    if not isinstance(value, dt.datetime):
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 -- a date has no zone
    moment = value.replace(tzinfo=None)
    to_python = getattr(moment, "to_pydatetime", None)
    found: dt.datetime = to_python(warn=False) if to_python is not None else moment
    return found
