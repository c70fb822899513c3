"""A table with the column types that a model's signature asks for.

Text formats know one kind of whole number and one of fraction, and MLflow refuses to convert between widths. Only
what loses nothing is done here; all else is left for MLflow to judge.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_EXACT_IN_DOUBLE = 1 << 53
_RANGES = {"integer": (-(1 << 31), 1 << 31), "long": (-(1 << 63), 1 << 63)}
_TYPES = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}


class MisfitFile(ValueError):
    """A file whose content cannot be what the model's signature asks for."""


def kinds(schema: Any, labels: Iterable[Any] | None = None) -> dict[Any, Any]:
    """Return the types that the signature gives to columns, by name; without names, by the order of `labels`."""
    if schema is None or schema.is_tensor_spec():
        return {}
    if schema.has_input_names():
        return {spec.name: spec.type for spec in schema.inputs}
    return {label: spec.type for label, spec in zip(() if labels is None else labels, schema.inputs)}


def word(kind: Any) -> str:
    """Return MLflow's word for a type of single values, such as ``double``; empty for arrays, objects and maps."""
    name = getattr(kind, "name", "")
    return name if isinstance(name, str) else ""


def takes_bytes(schema: Any) -> bool:
    """Whether the signature is one column of type binary: any file can be that, as it is."""
    return [word(kind) for kind in kinds(schema, [0]).values()] == ["binary"] and len(schema.inputs) == 1


def fit(frame: Any, schema: Any) -> Any:
    """Return the table with the types of the signature, where nothing is lost by it.

    Raises
    ------
    MisfitFile
        If a column that is to hold bytes has text that is not base64.
    """
    fitted = frame.copy(deep=False)
    for name, kind in kinds(schema, frame.columns).items():
        column = _fitted(frame[name], kind) if name in frame.columns else None
        if column is not None:
            fitted[name] = column
    return fitted


def _fitted(column: Any, kind: Any) -> Any:
    """Return a column in the type of the signature; None to leave it as it is."""
    name = word(kind)
    have = getattr(column.dtype, "kind", "O")
    if not name:
        return column.map(lambda value: _nested(value, kind)).astype(object)
    if name in {"double", "float"}:
        is_number = (
            have in "iu" or (have == "f" and name == "float") or not len(column) or _is_decimal(column)
        )
        return column.astype(_TYPES[name]) if is_number else None
    if name in _RANGES:
        return column.astype(_TYPES[name]) if _is_whole(column, have, *_RANGES[name]) else None
    if name == "boolean":
        return _as_booleans(column, have)
    if name == "datetime":
        return _as_moments(column, have)
    return column.map(_decoded).astype(object) if name == "binary" and have not in "iufb" else None


def _is_decimal(column: Any) -> bool:
    import pandas as pd

    return bool(pd.api.types.infer_dtype(column, skipna=True) == "decimal")


def _is_whole(column: Any, have: str, low: int, high: int) -> bool:
    """Whether all values are whole numbers from `low` to below `high`: then their type can change."""
    if have not in "iuf" or not len(column) or column.isna().any():
        return False
    if have == "f":
        low, high = max(low, -_EXACT_IN_DOUBLE), min(high, _EXACT_IN_DOUBLE)
    return bool(column.min() >= low and column.max() < high and (have != "f" or (column % 1 == 0).all()))


def _as_booleans(column: Any, have: str) -> Any:
    if have in "iu" and column.isin([0, 1]).all():
        return column.astype(bool)
    if have != "f" or not column.isna().all():
        return None
    # A column of nothing but gaps is read as fractions.
    return column.astype(object).where(column.notna(), None)


def _as_moments(column: Any, have: str) -> Any:
    """Return moments without a zone, those with one in UTC; numbers are left alone, as they may count anything."""
    import pandas as pd

    if have in "iub" or (have == "f" and not column.isna().all()):
        return None
    if have == "M" and getattr(column.dtype, "tz", None) is None:
        return None
    form = None if have in "fM" else "ISO8601"
    try:
        moments: Any = pd.to_datetime(column, utc=True, format=form)
    except ValueError:
        # Some other way to write it, if it is any.
        return column.astype("datetime64[ns]")
    return moments.dt.tz_localize(None).astype("datetime64[ns]")


def _decoded(value: Any) -> Any:
    """Return bytes for the base64 that stands for them where a format knows only text."""
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError as error:
        raise MisfitFile(
            "the signature has a column of type binary: in a file of text it must be base64 ({})".format(
                error
            )
        ) from error


def _nested(value: Any, kind: Any) -> Any:
    """Return a nested value with the number types that the signature has inside; JSON text is read first."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return value
    return _inner(value, kind)


def _inner(value: Any, kind: Any) -> Any:
    import numpy as np

    name = word(kind)
    if name:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if name in {"double", "float"} and is_number:
            return float(value) if name == "double" else np.float32(value)
        return np.int32(value) if name == "integer" and is_number and _is_whole_value(value) else value
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list) and hasattr(kind, "dtype"):
        return _list_of([_inner(item, kind.dtype) for item in value], word(kind.dtype))
    if isinstance(value, dict):
        inner = {p.name: p.dtype for p in getattr(kind, "properties", ())}
        default = getattr(kind, "value_type", None)
        return {key: _inner(item, inner.get(key, default)) for key, item in value.items()}
    return value


def _is_whole_value(value: Any) -> bool:
    low, high = _RANGES["integer"]
    return bool(low <= value < high and value % 1 == 0)


def _list_of(items: list[Any], name: str) -> Any:
    """Return a list, or an array where MLflow would read numbers of a list as wide ones."""
    import numpy as np

    narrow = name in {"float", "integer"} and all(isinstance(item, np.generic) for item in items)
    return np.array(items, dtype=_TYPES[name]) if narrow and items else items
