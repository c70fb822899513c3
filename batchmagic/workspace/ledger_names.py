"""Texts that many rows of a ledger share, each stored once and known by a number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sqlalchemy import select

from batchmagic.workspace import ledger_tables as t
from batchmagic.workspace.ledger_entries import columns_from
from batchmagic.workspace.ledger_errors import inserted_id

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from batchmagic.workspace.ledger_entries import Columns


class Names:
    """Numbers of segments and of row schemas, as the ledger has them."""

    def __init__(self) -> None:
        self._segments: dict[str, int] = {}
        self._schemas: dict[tuple[str, Columns], int] = {}

    def load(self, connection: Connection) -> None:
        """Know what the ledger has, and nothing else."""
        segments = connection.execute(select(t.segments.c.name, t.segments.c.id))
        self._segments = {name: number for name, number in segments}  # noqa: C416
        schemas = connection.execute(select(t.row_schemas))
        self._schemas = {(row.encoding, columns_from(row.columns)): row.id for row in schemas}

    def segment(self, connection: Connection, name: str) -> int:
        """Return the number of a segment, stored now if it is new."""
        number = self._segments.get(name)
        if number is None:
            number = inserted_id(connection, t.segments, {"name": name})
            self._segments[name] = number
        return number

    def schema(self, connection: Connection, encoding: str, columns: Columns) -> int:
        """Return the number of a row schema, stored now if it is new."""
        number = self._schemas.get((encoding, columns))
        if number is None:
            values = {"encoding": encoding, "columns": json.dumps(columns)}
            number = inserted_id(connection, t.row_schemas, values)
            self._schemas[encoding, columns] = number
        return number
