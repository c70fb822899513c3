"""Whether a ledger and a plan are of the same job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from batchmagic.errors import JobCorrupted
from batchmagic.workspace import ledger_tables as t

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection


def check_plan(connection: Connection, path: Path, mini_batches: int, files: int) -> None:
    """Pass when the ledger at `path` is that of a plan of so many mini-batches and files.

    Raises
    ------
    JobCorrupted
        If not.
    """
    stored = connection.execute(select(t.progress.c.mini_batches, t.progress.c.files)).one()
    if tuple(stored) != (mini_batches, files):
        reason = (
            f"it is of {stored.files} files in {stored.mini_batches} mini-batches, "
            f"and the job's plan of {files} in {mini_batches}"
        )
        raise JobCorrupted(path=str(path), reason=reason)
