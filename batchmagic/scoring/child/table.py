"""A mini-batch's rows as columns, each with one type, whatever library they came from."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from ..columns import BOOLEAN, DOUBLE, INTEGER, NULL, TEXT, ColumnConflict  # noqa: TID252 -- see values
from .values import unified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .results import Result

RESULT = "result"
FILE = "file"


class Column:
    """A named column: its values as a list, or as the NumPy or Arrow array that they came in.

    A NumPy array is of booleans, 64-bit integers or doubles (NaN is null); an Arrow array is of text.
    """

    __slots__ = ("_values", "arrow", "kind", "name", "numpy")

    def __init__(
        self, name: str, kind: str, values: list[Any] | None = None, *, numpy: Any = None, arrow: Any = None
    ) -> None:
        self.name, self.kind = name, kind
        self.numpy, self.arrow = numpy, arrow
        self._values = values

    @property
    def values(self) -> list[Any]:
        """The values, None where null."""
        if self._values is None:
            self._values = self.arrow.to_pylist() if self.arrow is not None else self._from_numpy()
        return self._values

    def _from_numpy(self) -> list[Any]:
        values: list[Any] = self.numpy.tolist()
        return [None if value != value else value for value in values] if self.kind == DOUBLE else values  # noqa: PLR0124


def tabulate(result: Result) -> list[Column]:
    """Return the columns of a result; names are text and unlike each other.

    Raises
    ------
    ColumnConflict
        If no type can hold a column's values.
    """
    return [make(name, values) for name, make, values in _parts(result)]


def header(result: Result) -> list[tuple[str, str]]:
    """Return the names and types of a result's columns; text where no type can hold a column's values."""
    return [(name, _kind(name, make, values)) for name, make, values in _parts(result)]


def _kind(name: str, make: Callable[[str, Any], Column], values: Any) -> str:
    try:
        return make(name, values).kind
    except ColumnConflict:
        return TEXT


def _parts(result: Result) -> Iterator[tuple[str, Callable[[str, Any], Column], Any]]:
    """Yield name, maker and values of each column."""
    value = result.value
    if result.kind == "items":
        yield RESULT, _from_items, value
    elif result.kind == "array":
        yield RESULT, _from_array, value
    elif result.kind == "series":
        yield RESULT if value.name is None else str(value.name), _from_series, value
    elif result.kind == "arrow":
        for i, name in enumerate(unique_names(value.column_names)):
            yield name, _from_arrow, value.column(i)
    else:
        for i, name in enumerate(unique_names(value.columns)):
            yield name, _from_series, value.iloc[:, i]


def _from_items(name: str, items: Any) -> Column:
    return Column(name, *unified(items, name))


def unique_names(labels: Any) -> list[str]:
    """Return labels of columns as text: an unnamed one is ``column_<n>``, a second ``a`` is ``a.1``."""
    names: list[str] = []
    taken: set[str] = set()
    for position, label in enumerate(labels):
        base = name = _name(label) or f"column_{position}"
        count = 0
        while name in taken:
            count += 1
            name = f"{base}.{count}"
        taken.add(name)
        names.append(name)
    return names


def _name(label: Any) -> str:
    if isinstance(label, tuple):
        return "_".join(part for part in map(_name, label) if part)
    return "" if label is None or label != label else str(label)  # noqa: PLR0124 -- NaN is no name


def _from_series(name: str, series: Any) -> Column:
    kind = getattr(series.dtype, "kind", "O")
    numpy = sys.modules["numpy"]
    if isinstance(series.dtype, numpy.dtype) and kind in "biuf":
        return _from_array(name, series.to_numpy())
    if str(series.dtype) in {"str", "string"} and "pyarrow" in sys.modules:
        return _from_arrow(name, sys.modules["pyarrow"].array(series.array))
    if str(series.dtype) == "category":
        series = series.astype(object)
    return Column(name, *unified(series.tolist(), name))


def _from_array(name: str, array: Any) -> Column:
    numpy = sys.modules["numpy"]
    kind = array.dtype.kind
    if not len(array) or kind not in "biuf" or array.dtype.itemsize > 8:  # noqa: PLR2004
        return Column(name, *unified(list(array), name))
    if kind == "b":
        return Column(name, BOOLEAN, numpy=array)
    if kind == "f":
        # By way of text: 0.1 as a narrow float is written 0.1, not 0.10000000149011612.
        doubles = array if array.dtype.itemsize == 8 else array.astype(str).astype("float64")  # noqa: PLR2004
        empty = bool(numpy.isnan(doubles).all())
        return Column(name, NULL, [None] * len(array)) if empty else Column(name, DOUBLE, numpy=doubles)
    if kind == "u" and int(array.max()) >= 1 << 63:
        return Column(name, *unified(array.tolist(), name))
    return Column(name, INTEGER, numpy=array.astype("int64"))


def _from_arrow(name: str, column: Any) -> Column:
    pa = sys.modules["pyarrow"]
    kind = column.type
    if not column.null_count and (
        pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    ):
        return _from_array(
            name, column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)
        )
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if column.null_count == len(column):
            return Column(name, NULL, [None] * len(column))
        return Column(name, TEXT, arrow=column.combine_chunks() if hasattr(column, "chunks") else column)
    return Column(name, *unified(column.to_pylist(), name))
