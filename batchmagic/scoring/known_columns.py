"""The columns that the rows of a job have so far: what does not fit them cannot be part of the output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.scoring.columns import ColumnConflict, unify_columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchmagic.workspace.ledger_entries import Columns


class KnownColumns:
    """The union of the columns of all mini-batches that were accepted.

    Parameters
    ----------
    schemas
        What is committed already, as ``encoding, columns``.
    """

    def __init__(self, schemas: Iterable[tuple[str, Columns]]) -> None:
        self._columns: list[tuple[str, str]] = []
        self._last: Columns | None = None
        for encoding, columns in schemas:
            self._columns = unify_columns(self._columns, list(columns), encoding=encoding)

    def problem_with(self, columns: Columns, encoding: str) -> dict[str, Any] | None:
        """Accept the columns of a mini-batch, or return the error why they have no place in the output."""
        if columns == self._last:
            return None
        try:
            self._columns = unify_columns(self._columns, list(columns), encoding=encoding)
        except ColumnConflict as error:
            return {"type": "ColumnConflict", "message": str(error), "phase": "encode"}
        self._last = columns
        return None
