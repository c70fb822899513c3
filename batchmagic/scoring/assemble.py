"""The output, assembled from what the ledger names, in the order of the input; whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from batchmagic import failpoints
from batchmagic.disk import disk_error, told
from batchmagic.errors import EngineError
from batchmagic.scoring.columns import unify_columns
from batchmagic.scoring.own_files import OwnFiles
from batchmagic.scoring.plan import sync_folder
from batchmagic.scoring.spool import spool_of
from batchmagic.scoring.writers import writer_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from batchmagic.constants import OutputFormat
    from batchmagic.workspace.ledger import Ledger
    from batchmagic.workspace.ledger_entries import Columns, Commit

_OPEN_SEGMENTS = 64
_PIECE = 4 << 20


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

    def as_they_are(self, columns: Columns) -> BinaryIO | None:
        """Return the file to which rows of these columns go unchanged, None if they have to be changed."""

    def close(self) -> None:
        """Write what belongs to the end of the file."""


@dataclass(slots=True)
class _Segments:
    """Open segments, the last ones used."""

    folder: Path
    _open: OrderedDict[str, int] = field(default_factory=OrderedDict)

    def read(self, commit: Commit) -> Iterator[bytes] | None:
        """Return the rows of a commit in pieces, None if they are damaged or gone."""
        assert commit.place is not None  # noqa: S101 -- only such commits are read
        name, _, length, crc = commit.place
        found, size, last = 0, 0, b""
        try:
            for piece in self._pieces(commit):
                found, size, last = zlib.crc32(piece, found), size + len(piece), piece
        except OSError as error:
            # Gone, or the disk cannot read it any more: either way the rows are to be made anew.
            if error.errno not in {errno.ENOENT, errno.EIO}:
                raise disk_error(error, self.folder / name) from error
            return None
        if (size, found) != (length, crc):
            return None
        # What is more than one piece is read again: nobody holds all of a result that may be gigabytes.
        return iter([last]) if size == len(last) else self._pieces(commit)

    def _pieces(self, commit: Commit) -> Iterator[bytes]:
        assert commit.place is not None  # noqa: S101 -- as above
        name, offset, length, _ = commit.place
        end = offset + length
        while offset < end and (piece := os.pread(self._descriptor(name), min(_PIECE, end - offset), offset)):
            offset += len(piece)
            yield piece

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


def rows_of(ledger: Ledger, job_folder: Path) -> Iterator[tuple[Commit, Iterator[bytes] | None]]:
    """Yield every committed mini-batch that has rows, in the order of the input, with its bytes in pieces."""
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
    for encoding, columns in schemas:
        unified = unify_columns(unified, list(columns), encoding=encoding)
    return tuple(unified)


def assemble(
    ledger: Ledger, job_folder: Path, target: Path, form: OutputFormat, *, own: OwnFiles | None = None
) -> Columns:
    """Return the columns of the rows, which then stand in `target`, each once.

    Until the very end `target` is what it was before: the rows go to a temporary name beside it, which is
    synced and renamed; with `own`, only as long as that driver has the job.

    Raises
    ------
    SpoolDamaged
        If rows are missing; `target` is unchanged.
    DiskError
        If the disk does not take it; `target` is unchanged, and what was written of it is gone.
    """
    schemas = ledger.row_schemas()
    columns = unified_columns(schemas)
    own = own or OwnFiles()
    temporary = own.temporary(target)
    with told(target):
        # Only itself: whatever is above it was there when the run began, or the workspace was moved away since.
        target.parent.mkdir(exist_ok=True)
        own.forget_earlier(target.parent, target.name)
        try:
            with temporary.open("wb") as file:
                damaged = _write(writer_for(form, file, columns), rows_of(ledger, job_folder))
                file.flush()
                os.fsync(file.fileno())
            if not damaged:
                failpoints.hit("assemble.before_rename")
                own.publish(target)
        except Exception:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)
            raise
        if damaged:
            temporary.unlink()
            raise SpoolDamaged(damaged)
        failpoints.hit("assemble.after_rename")
        sync_folder(target.parent)
    return columns


def _write(
    writer: RowWriter, rows_of_commits: Iterable[tuple[Commit, Iterator[bytes] | None]]
) -> list[tuple[int, int]]:
    """Write all rows and return the keys of those that are missing; after the first of them nothing is written."""
    damaged: list[tuple[int, int]] = []
    for commit, rows in rows_of_commits:
        if rows is None:
            damaged.append((commit.mini_batch, commit.part))
        elif not damaged:
            file = writer.as_they_are(commit.columns)
            if file is None:
                writer.add(b"".join(rows), commit.encoding, commit.columns)
            else:
                file.writelines(rows)
            failpoints.hit("assemble.mid_write")
    writer.close()
    return damaged
