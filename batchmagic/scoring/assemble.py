"""The output, assembled from what the ledger names, in the order of the input; whole or not at all."""

from __future__ import annotations

import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from batchmagic import failpoints
from batchmagic.errors import EngineError
from batchmagic.scoring.columns import unify_columns
from batchmagic.scoring.plan import sync_folder
from batchmagic.scoring.spool import spool_of
from batchmagic.scoring.writers import writer_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batchmagic.constants import OutputFormat
    from batchmagic.workspace.ledger import Ledger
    from batchmagic.workspace.ledger_entries import Columns, Commit

_OPEN_SEGMENTS = 64


class SpoolDamaged(EngineError):
    """Rows that the ledger names are not in the spool any more."""

    code = "spool_damaged"

    def __init__(self, keys: list[tuple[int, int]]) -> None:
        self.keys = keys
        super().__init__(
            f"The rows of {len(keys)} mini-batches are not in the spool any more.", target="spool"
        )


class RowWriter(Protocol):
    """Turns the rows of mini-batches into the bytes of one output file."""

    def add(self, rows: bytes, encoding: str, columns: Columns) -> None:
        """Write the rows of one mini-batch."""

    def close(self) -> None:
        """Write what belongs to the end of the file."""


@dataclass(slots=True)
class _Segments:
    """Open segments, the last ones used."""

    folder: Path
    _open: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def read(self, commit: Commit) -> bytes | None:
        """Return the rows of a commit, None if they are damaged or gone."""
        assert commit.place is not None  # noqa: S101 -- only such commits are read
        name, offset, length, crc = commit.place
        try:
            rows = os.pread(self._descriptor(name), length, offset)
            while len(rows) < length:
                more = os.pread(self._descriptor(name), length - len(rows), offset + len(rows))
                if not more:
                    return None
                rows += more
        except FileNotFoundError:
            return None
        return rows if zlib.crc32(rows) == crc else None

    def _descriptor(self, name: str) -> int:
        if name not in self._open:
            self._open[name] = os.open(self.folder / name, os.O_RDONLY | os.O_CLOEXEC)
            if len(self._open) > _OPEN_SEGMENTS:
                os.close(self._open.popitem(last=False)[1])
        self._open.move_to_end(name)
        return self._open[name]

    def close(self) -> None:
        while self._open:
            os.close(self._open.popitem()[1])


def rows_of(ledger: Ledger, job_folder: Path) -> Iterator[tuple[Commit, bytes | None]]:
    """Yield every committed mini-batch that has rows, in the order of the input, with its bytes."""
    segments = _Segments(spool_of(job_folder))
    try:
        for commit in ledger.iter_commits():
            if commit.ok and commit.place is not None:
                yield commit, segments.read(commit)
    finally:
        segments.close()


def unified_columns(schemas: Iterable[tuple[str, Columns]]) -> Columns:
    """Return the columns of the output: every column of any mini-batch, in the order of the input."""
    unified: list[tuple[str, str]] = []
    for _, columns in schemas:
        unified = unify_columns(unified, list(columns))
    return tuple(unified)


def assemble(ledger: Ledger, job_folder: Path, target: Path, form: OutputFormat) -> Columns:
    """Return the columns of the rows, which then stand in `target`, each once.

    Until the very end `target` is what it was before: the rows go to a temporary name beside it, which is
    synced and renamed.

    Raises
    ------
    SpoolDamaged
        If rows are missing; `target` is unchanged.
    """
    schemas = ledger.row_schemas()
    columns = unified_columns(schemas)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.tmp")
    with temporary.open("wb") as file:
        damaged = _write(writer_for(form, file, columns), rows_of(ledger, job_folder))
        file.flush()
        os.fsync(file.fileno())
    if damaged:
        temporary.unlink()
        raise SpoolDamaged(damaged)
    failpoints.hit("assemble.before_rename")
    temporary.replace(target)
    failpoints.hit("assemble.after_rename")
    sync_folder(target.parent)
    return columns


def _write(
    writer: RowWriter, rows_of_commits: Iterable[tuple[Commit, bytes | None]]
) -> list[tuple[int, int]]:
    """Write all rows and return the keys of those that are missing; after the first of them nothing is written."""
    damaged: list[tuple[int, int]] = []
    for commit, rows in rows_of_commits:
        if rows is None:
            damaged.append((commit.mini_batch, commit.part))
        elif not damaged:
            writer.add(rows, commit.encoding, commit.columns)
            failpoints.hit("assemble.mid_write")
    writer.close()
    return damaged
