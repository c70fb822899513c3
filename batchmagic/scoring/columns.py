"""Types of columns, and what becomes of them when mini-batches disagree.

Standard library only: the scoring process and the driver both use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    #: A column's name and type, as they cross our sockets and are stored with the job.
    Column = tuple[str, str]

NULL = "null"
BOOLEAN = "boolean"
INTEGER = "integer"
DOUBLE = "double"
TIMESTAMP = "timestamp"
TEXT = "text"
JSON = "json"
BINARY = "binary"

TYPES = (NULL, BOOLEAN, INTEGER, DOUBLE, TIMESTAMP, TEXT, JSON, BINARY)
_LONERS = frozenset({JSON, BINARY})

#: The encoding of rows in Azure's own form.
AZURE = "azure"


class ColumnConflict(ValueError):
    """Two mini-batches gave a column types that no common type can hold."""

    def __init__(self, name: str, a: str, b: str) -> None:
        self.name, self.a, self.b = name, a, b
        super().__init__(f"column {name!r} is {a} in some rows and {b} in others; no type can hold both")

    def __reduce__(self) -> tuple[type[ColumnConflict], tuple[str, str, str]]:
        return type(self), (self.name, self.a, self.b)


def unify(a: str, b: str, *, name: str = "") -> str:
    """Return the narrowest type that holds values of both `a` and `b`.

    Raises
    ------
    ColumnConflict
        If one is ``json`` or ``binary`` and the other is neither the same nor ``null``.
    """
    if b in (a, NULL):
        return a
    if a == NULL:
        return b
    if a in _LONERS or b in _LONERS:
        raise ColumnConflict(name, a, b)
    return DOUBLE if {a, b} == {INTEGER, DOUBLE} else TEXT


def unify_columns(a: Iterable[Column], b: Iterable[Column], *, encoding: str = "") -> list[Column]:
    """Return the columns of both, in the order in which they were first seen, types unified.

    Parameters
    ----------
    encoding
        How the rows of `b` are written. Azure's form has no types, so that anything can stand below anything;
        what has no type in common is then told as text.

    Raises
    ------
    ColumnConflict
        With the name of the first column that cannot be unified.
    """
    merged = dict(a)
    for name, kind in b:
        known = merged.get(name, NULL)
        merged[name] = _as_text(known, kind) if encoding == AZURE else unify(known, kind, name=name)
    return list(merged.items())


def _as_text(a: str, b: str) -> str:
    try:
        return unify(a, b)
    except ColumnConflict:
        return TEXT
