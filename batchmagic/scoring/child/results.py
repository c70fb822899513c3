"""What ``run()`` may return, and what becomes of it before it is encoded."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MappingView, Sequence
from typing import Any, NamedTuple

_ALLOWED = (
    "run() must return a list, a tuple, a pandas DataFrame or Series, a NumPy array, an Arrow table or a "
    "generator of rows; its length is the number of rows. The actual type of output is "
)


_TABLES = (("pandas", "DataFrame", "frame"), ("pandas", "Series", "series"), ("pyarrow", "Table", "arrow"))


class Result(NamedTuple):
    """What a mini-batch returned.

    Attributes
    ----------
    kind
        ``items``, ``array`` (one dimension), ``series``, ``frame`` or ``arrow``.
    value
        The list, or the table as its library has it.
    rows
        Its length.
    files
        The file of each row, where the scorer itself knows; it is then the last column.
    """

    kind: str
    value: Any
    rows: int
    files: list[str] | None = None


class WrongResult(TypeError):
    """``run()`` returned something that has no rows."""


def _instance(value: object, module: str, *names: str) -> bool:
    """Whether `value` is of a type of a library, which is not imported for the question."""
    loaded = sys.modules.get(module)
    return loaded is not None and any(
        isinstance(value, found) for name in names if isinstance(found := getattr(loaded, name, None), type)
    )


def check(value: Any) -> Result:
    """Return the rows of what ``run()`` returned; a generator is run to its end.

    Raises
    ------
    WrongResult
        If it is ``None``, text, a dict or anything else that is no sequence of rows.
    """
    kind = type(value)
    if kind is list or kind is tuple:
        return Result("items", value, len(value))
    for module, name, form in _TABLES:
        if _instance(value, module, name):
            # By shape: a subclass may say anything for its length.
            return Result(form, value, value.shape[0])
    if _instance(value, "pyarrow", "RecordBatch"):
        return Result("arrow", sys.modules["pyarrow"].Table.from_batches([value]), len(value))
    if _instance(value, "numpy", "ndarray"):
        return _array(value)
    if _is_sequence(value):
        items = value.to_pylist() if hasattr(value, "to_pylist") else list(value)
        return Result("items", items, len(items))
    raise WrongResult(f"{_ALLOWED}{_name(kind)}.")


def _array(value: Any) -> Result:
    if value.ndim == 0:
        raise WrongResult(f"{_ALLOWED}a NumPy array without dimensions.")
    return Result(
        "array" if value.ndim == 1 else "items", value if value.ndim == 1 else list(value), len(value)
    )


def _is_sequence(value: object) -> bool:
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return False
    return (
        isinstance(value, (Sequence, Iterator, MappingView))
        or _instance(value, "pandas", "Index")
        or _instance(value, "pyarrow", "Array", "ChunkedArray")
    )


def _name(kind: type) -> str:
    module = getattr(kind, "__module__", "builtins")
    return kind.__name__ if module == "builtins" else f"{module}.{kind.__name__}"
