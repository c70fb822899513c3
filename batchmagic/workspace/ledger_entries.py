"""What the ledger is told, and how its rows hold it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

Columns = tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Commit:
    """The end of a mini-batch (`part` 0) or of one of its files.

    Attributes
    ----------
    place
        ``segment, offset, length, crc`` of its rows in the spool; None where it left none.
    """

    mini_batch: int
    part: int
    ok: bool
    attempt: int
    files: int
    rows: int = 0
    items: int = 0
    place: tuple[str, int, int, int] | None = None
    encoding: str = "none"
    columns: Columns = ()
    instance: str = ""
    slot: int = 0
    started: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """One attempt that did not succeed.

    Attributes
    ----------
    final
        Whether no other attempt follows.
    files
        Files that have failed for good by it.
    file
        The first file of the mini-batch, as an example.
    error
        ``type, message, traceback, frame, phase``.
    """

    mini_batch: int
    part: int
    attempt: int
    kind: str
    final: bool
    error: dict[str, Any]
    files: int = 0
    file: str = ""
    instance: str = ""
    slot: int = 0
    started: float = 0.0
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """Type and message of the error, as far as it has them; an exception without a message has a type."""
        parts = (str(self.error.get(name) or "") for name in ("type", "message"))
        return ": ".join(part for part in parts if part)


def columns_from(stored: str) -> Columns:
    """Return the columns that a row of the ledger holds."""
    return tuple((name, kind) for name, kind in json.loads(stored))


def commit_from(row: Any, segments: dict[int, str], schemas: dict[int, tuple[str, Columns]]) -> Commit:
    """Return the commit that a row of the ledger holds."""
    mini_batch, part, ok, attempt, files, rows, items, segment, offset, length, crc, schema, *place = row
    instance, slot, started, seconds = place
    encoding, columns = schemas.get(schema, ("none", ()))
    return Commit(
        mini_batch=mini_batch,
        part=part,
        ok=bool(ok),
        attempt=attempt,
        files=files,
        rows=rows,
        items=items,
        place=None if segment is None else (segments[segment], offset, length, crc),
        encoding=encoding,
        columns=columns,
        instance=instance,
        slot=slot,
        started=started,
        seconds=seconds,
    )


def failure_row(failure: Failure, group: int) -> dict[str, Any]:
    """Return the row of the ledger for a failed attempt."""
    return {
        "mini_batch": failure.mini_batch,
        "part": failure.part,
        "attempt": failure.attempt,
        "kind": failure.kind,
        "final": int(failure.final),
        "error_group": group,
        "message": failure.reason[:1000],
        "instance": failure.instance,
        "slot": failure.slot,
        "started": failure.started,
        "seconds": failure.seconds,
    }


def failure_from(row: Any) -> Failure:
    """Return the failed attempt that a row of the ledger holds."""
    return Failure(
        mini_batch=row.mini_batch,
        part=row.part,
        attempt=row.attempt,
        kind=row.kind,
        final=bool(row.final),
        error={"message": row.message},
        instance=row.instance,
        slot=row.slot,
        started=row.started,
        seconds=row.seconds,
    )
