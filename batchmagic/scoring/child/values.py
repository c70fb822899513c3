"""Single values: what type each is to us, and how each is written.

`classify` brings a value of whatever library to one of few Python types; everything after it relies on that.
"""

from __future__ import annotations

import base64
import datetime as dt
import json
import math
import re
import sys
from enum import Enum
from typing import TYPE_CHECKING, Any

from ..columns import (  # noqa: TID252 -- the name of the package is a private one in a scoring process
    BINARY,
    BOOLEAN,
    DOUBLE,
    INTEGER,
    JSON,
    NULL,
    TEXT,
    TIMESTAMP,
    unify,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_INT64 = 1 << 63
_NEEDS_QUOTES = re.compile(r'[,"\r\n]').search
_EXACT: dict[type, str] = {type(None): NULL, bool: BOOLEAN, str: TEXT, list: JSON, dict: JSON, tuple: JSON}

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def classify(value: Any) -> tuple[str, Any]:
    """Return the column type of a value, and the value as None, bool, int, float, str, bytes, date or JSON data."""
    kind = type(value)
    if kind is float:
        return (NULL, None) if math.isnan(value) else (DOUBLE, value)
    if kind is int:
        # Wider than any column of integers in Arrow, Parquet or a database.
        return (INTEGER, value) if -_INT64 <= value < _INT64 else (TEXT, str(value))
    found = _EXACT.get(kind)
    if found is not None:
        return found, plain(value) if found == JSON else value
    return _classify_rare(value)


def _classify_rare(value: Any) -> tuple[str, Any]:
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if numpy is not None and isinstance(value, (numpy.generic, numpy.ndarray)):
        return _classify_numpy(value)
    if pandas is not None and (value is pandas.NA or value is pandas.NaT):
        return NULL, None
    for types, convert in _CONVERSIONS:
        if isinstance(value, types):
            return convert(value)
    return TEXT, str(value)


def _classify_numpy(value: Any) -> tuple[str, Any]:
    kind = value.dtype.kind
    if getattr(value, "ndim", 0):
        return JSON, plain(value)
    if kind == "f":
        # The shortest text of a narrow float, not its digits as a double.
        return classify(float(str(value)) if value.dtype.itemsize < 8 else float(value))  # noqa: PLR2004
    if kind == "M":
        return _classify_datetime64(value)
    return classify(value.item()) if kind in "biuSUO" else (TEXT, str(value))


def _classify_datetime64(value: Any) -> tuple[str, Any]:
    moment = value.astype("datetime64[us]").item()
    return (NULL, None) if moment is None else (TIMESTAMP, moment)


def _classify_moment(value: dt.datetime) -> tuple[str, Any]:
    return TIMESTAMP, value.astimezone(dt.timezone.utc) if value.tzinfo is not None else value


_CONVERSIONS: tuple[tuple[tuple[type, ...], Callable[[Any], tuple[str, Any]]], ...] = (
    ((Enum,), lambda v: classify(v.value)),
    ((bytes, bytearray, memoryview), lambda v: (BINARY, bytes(v))),
    ((dt.datetime,), _classify_moment),
    ((dt.date,), lambda v: (TIMESTAMP, v)),
    ((str,), lambda v: (TEXT, str.__str__(v))),
    ((int,), lambda v: classify(int(v))),
    ((float,), lambda v: classify(float(v))),
    ((dict, list, tuple, set, frozenset), lambda v: (JSON, plain(v))),
)


def plain(value: Any) -> Any:
    """Return nested data as JSON has it."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(item) for item in value]
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray) and value.ndim:
        return [plain(item) for item in value]
    kind, scalar = classify(value)
    return scalar if kind == JSON else json_data(kind, scalar)


def json_data(kind: str, value: Any) -> Any:
    """Return a classified value as JSON has it; what JSON cannot hold becomes text."""
    if kind == TIMESTAMP:
        return value.isoformat()
    if kind == BINARY:
        return base64.b64encode(value).decode("ascii")
    if kind == DOUBLE and math.isinf(value):
        return repr(value)
    return value


def unified(values: Iterable[Any], name: str) -> tuple[str, list[Any]]:
    """Return the type that holds all `values` of a column, and the values brought to it.

    Raises
    ------
    ColumnConflict
        If some are bytes and others are not.
    """
    values = list(values)
    if set(map(type, values)) == {str}:
        return TEXT, values
    classified = [classify(value) for value in values]
    kinds = {kind for kind, _ in classified}
    if len(kinds - {NULL}) <= 1:
        return next(iter(kinds - {NULL}), NULL), [value for _, value in classified]
    if JSON in kinds and BINARY not in kinds:
        return JSON, [json_data(kind, value) for kind, value in classified]
    target = NULL
    for kind in sorted(kinds):
        target = unify(target, kind, name=name)
    if target == DOUBLE:
        return target, [None if value is None else float(value) for _, value in classified]
    return target, [None if value is None else as_text(kind, value) for kind, value in classified]


def as_text(kind: str, value: Any) -> str:
    """Return a classified value, not null, as plain text."""
    if kind == TEXT:
        return str(value)
    if kind == JSON:
        return _json(value)
    if kind in {TIMESTAMP, BINARY}:
        return str(json_data(kind, value))
    return repr(value)


def quoted(text: str) -> str:
    """Return text as a CSV field: in quotes where it must be, and where it is empty (bare means null)."""
    return text if text and not _NEEDS_QUOTES(text) else '"' + text.replace('"', '""') + '"'


def csv_fields(kind: str, values: Iterable[Any]) -> list[str]:
    """Return the CSV fields of a column's values."""
    if kind == TEXT:
        return ["" if value is None else quoted(value) for value in values]
    if kind in {INTEGER, DOUBLE, BOOLEAN}:
        return ["" if value is None else repr(value) for value in values]
    return ["" if value is None else quoted(as_text(kind, value)) for value in values]


def json_fields(kind: str, values: Iterable[Any]) -> list[str]:
    """Return the JSON texts of a column's values."""
    if kind == INTEGER:
        return ["null" if value is None else repr(value) for value in values]
    return ["null" if value is None else _json(json_data(kind, value)) for value in values]


def to_bytes(text: str) -> bytes:
    """Return UTF-8; what no UTF-8 can hold (a file name of other bytes) is written as an escape."""
    return text.encode("utf-8", "backslashreplace")


def json_bytes(text: str) -> bytes:
    """Return JSON as UTF-8; in its strings the same escape stands as text, as in the other forms."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return _LONE_SURROGATE.sub(lambda found: "\\\\u{:04x}".format(ord(found[0])), text).encode("utf-8")
