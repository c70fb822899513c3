"""Errors of a job, stored once per group: the type and the innermost line of the user's code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import case, func, insert, select, update

from batchmagic.workspace import ledger_tables as t

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from batchmagic.workspace.ledger_entries import Failure

MAX_GROUPS = 100
MAX_TRACEBACKS = 10
_OTHERS = "others"


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorGroup:
    """Failures with the same type at the same line of the user's code.

    Attributes
    ----------
    count
        Failed attempts.
    files
        Files that failed for good.
    frame
        ``file, line, function, source line`` of the innermost line of the user's code.
    tracebacks
        The first few, as text.
    """

    type: str
    message: str
    phase: str
    count: int
    files: int
    frame: tuple[str, int, str, str] | None
    example_file: str
    example_mini_batch: int | None
    tracebacks: tuple[str, ...]

    @property
    def traceback(self) -> str:
        """The first traceback."""
        return self.tracebacks[0] if self.tracebacks else ""


class ErrorBook:
    """Finds the group of a failure, and opens it when it is the first of its kind."""

    def __init__(self) -> None:
        self._groups: dict[str, int] = {}
        self._tracebacks: dict[int, int] = {}

    def load(self, connection: Connection) -> None:
        """Take over what the ledger has."""
        groups = connection.execute(select(t.error_groups.c.key, t.error_groups.c.id))
        self._groups = {row.key: row.id for row in groups}
        counts = connection.execute(
            select(t.tracebacks.c.error_group, func.count()).group_by(t.tracebacks.c.error_group)
        )
        self._tracebacks = {group: count for group, count in counts}  # noqa: C416

    def note(self, connection: Connection, failures: Sequence[Failure]) -> list[int]:
        """Count the failures in their groups and return the number of each one's group."""
        return [self._note(connection, failure) for failure in failures]

    def _note(self, connection: Connection, failure: Failure) -> int:
        group = self._group(connection, failure)
        g = t.error_groups.c
        values: dict[str, Any] = {"attempts": g.attempts + 1}
        if failure.final and failure.files:
            values["files"] = g.files + failure.files
            # Until a file has failed for good, the example may be one that was only scored beside it.
            values["example_file"] = case((g.files == 0, failure.file), else_=g.example_file)
            values["example_mini_batch"] = case(
                (g.files == 0, failure.mini_batch), else_=g.example_mini_batch
            )
        connection.execute(update(t.error_groups).where(g.id == group).values(**values))
        text = failure.error.get("traceback")
        if text and self._tracebacks.get(group, 0) < MAX_TRACEBACKS:
            self._tracebacks[group] = self._tracebacks.get(group, 0) + 1
            connection.execute(
                insert(t.tracebacks).values(
                    error_group=group,
                    mini_batch=failure.mini_batch,
                    attempt=failure.attempt,
                    file=failure.file,
                    text=text,
                )
            )
        return group

    def _group(self, connection: Connection, failure: Failure) -> int:
        error = failure.error
        frame = error.get("frame")
        key = json.dumps([error.get("type"), frame[:3] if frame else _shape(error), *_told_apart(error)])
        if key not in self._groups and len(self._groups) >= MAX_GROUPS:
            key, frame = _OTHERS, None
            error = {"type": "Other errors", "message": f"errors beyond the first {MAX_GROUPS} kinds"}
        if key not in self._groups:
            file, line, function, source = frame or (None, None, None, None)
            values = {
                "key": key,
                "type": error.get("type", "Error"),
                "message": str(error.get("message", ""))[:4000],
                "phase": error.get("phase", "run"),
                "file": file,
                "line": line,
                "function": function,
                "source": source,
                "attempts": 0,
                "files": 0,
                "example_file": failure.file,
                "example_mini_batch": failure.mini_batch,
            }
            self._groups[key] = inserted_id(connection, t.error_groups, values)
        return self._groups[key]


def inserted_id(connection: Connection, table: Table, values: dict[str, Any]) -> int:
    """Insert one row and return its number."""
    key = connection.execute(insert(table).values(**values)).inserted_primary_key
    assert key is not None  # noqa: S101 -- every table here that has a number of its own gives it
    number: int = key[0]
    return number


def _shape(error: dict[str, Any]) -> str:
    """Stand in for the missing line: the message without what differs from file to file."""
    return "".join("#" if c.isdigit() else c for c in str(error.get("message", ""))[:80])


def _told_apart(error: dict[str, Any]) -> list[str]:
    """Return what else keeps errors of one type at one line apart: a wrong result is not raised at a line of its own."""
    return [str(error.get("message", ""))[-80:]] if error.get("type") == "WrongResult" else []


def read_groups(connection: Connection) -> list[ErrorGroup]:
    """Return all groups, those with most failed files first."""
    texts: dict[int, list[str]] = {}
    for row in connection.execute(select(t.tracebacks).order_by(t.tracebacks.c.id)):
        texts.setdefault(row.error_group, []).append(row.text)
    g = t.error_groups.c
    rows = connection.execute(select(t.error_groups).order_by(g.files.desc(), g.attempts.desc(), g.id))
    return [
        ErrorGroup(
            type=row.type,
            message=row.message,
            phase=row.phase,
            count=row.attempts,
            files=row.files,
            frame=None if row.file is None else (row.file, row.line, row.function, row.source),
            example_file=row.example_file or "",
            example_mini_batch=row.example_mini_batch,
            tracebacks=tuple(texts.get(row.id, ())),
        )
        for row in rows
    ]
