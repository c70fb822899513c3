"""The spool: rows on their way to the output, in segments that are created once and never used again.

What lies in a segment counts for nothing until the ledger names it.
"""

from __future__ import annotations

import contextlib
import os
import zlib
from typing import TYPE_CHECKING

from batchmagic import failpoints
from batchmagic.disk import disk_error
from batchmagic.scoring.plan import sync_folder
from batchmagic.scoring.spool import MAX_SEGMENT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Place = tuple[str, int, int, int]


class SegmentWriter:
    """Appends the rows of one writer (a slot, or the driver) to segments of its own.

    After an error of the disk the segment is given up, with all in it that was not synced: what a failed sync
    leaves nobody knows, so it is never tried again. The next mini-batch opens another.

    Parameters
    ----------
    folder
        The job's spool folder.
    prefix
        Names the claim's epoch and the writer; a number is added.
    """

    def __init__(self, folder: Path, prefix: str) -> None:
        self._folder = folder
        self._prefix = prefix
        self._number = 0
        self._descriptor: int | None = None
        self._name = ""
        self._offset = 0
        self._synced = 0
        self._crc = 0
        self._start = 0
        self._buffer: list[bytes] = []
        self._buffered = 0

    def begin(self) -> None:
        """Begin the rows of one mini-batch."""
        if self._descriptor is None or self._offset >= MAX_SEGMENT:
            self._open_next()
        self._start = self._offset
        self._crc = 0

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes to the mini-batch that was begun."""
        self._crc = zlib.crc32(data, self._crc)
        self._offset += len(data)
        self._buffer.append(bytes(data))
        self._buffered += len(data)
        if self._buffered >= 1 << 20:
            with self._giving_up():
                self._flush()

    def end(self) -> Place:
        """Return where the rows of the mini-batch are: segment, offset, length, crc."""
        return self._name, self._start, self._offset - self._start, self._crc

    def take(self) -> tuple[bytes, ...]:
        """Return nothing: the rows are in the segment."""
        return ()

    def sync(self) -> None:
        """Make all that was written survive a loss of power. Only then may the ledger name it.

        Raises
        ------
        DiskError
            If that is not possible; nothing since the last sync may be named then.
        """
        if self._descriptor is None:
            return
        with self._giving_up():
            self._flush()
            failpoints.hit("spool.before_sync")
            os.fdatasync(self._descriptor)
        self._synced = self._offset
        failpoints.hit("spool.after_sync")

    def close(self) -> None:
        """Close the segment; what was not synced is named nowhere. The next mini-batch opens another."""
        descriptor, self._descriptor = self._descriptor, None
        self._buffer.clear()
        self._buffered = 0
        if descriptor is not None:
            os.close(descriptor)

    def _open_next(self) -> None:
        self.sync()
        self.close()
        with self._giving_up():
            failpoints.hit("spool.before_open")
            while self._descriptor is None:
                self._name = f"{self._prefix}-{self._number}.seg"
                self._number += 1
                try:
                    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                    self._descriptor = os.open(self._folder / self._name, flags, 0o600)
                except FileExistsError:
                    # A worker that was lost and replaced under the same name has left it.
                    continue
            self._offset = self._synced = 0
            # Syncing a file does not make its name durable.
            sync_folder(self._folder)

    def _flush(self) -> None:
        assert self._descriptor is not None  # noqa: S101 -- `begin` has opened it
        data = memoryview(b"".join(self._buffer))
        self._buffer.clear()
        self._buffered = 0
        while data:
            data = data[os.write(self._descriptor, data) :]
            failpoints.hit("spool.mid_write")

    @contextlib.contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                if self._descriptor is not None:
                    # On a full disk this is the room in which the job can say so.
                    os.ftruncate(self._descriptor, self._synced)
                self.close()
            raise disk_error(error, self._folder / self._name) from error


class MemoryWriter:
    """Keeps the rows of a lease in memory, for an instance that does not share the job's folder."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._rows: list[bytes] = []

    def begin(self) -> None:
        """Begin the rows of one mini-batch."""
        self._pieces = []

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes to the mini-batch that was begun."""
        self._pieces.append(bytes(data))

    def end(self) -> Place:
        """Return the place of the rows among those that `take` will give."""
        rows = b"".join(self._pieces)
        self._rows.append(rows)
        return "", len(self._rows) - 1, len(rows), zlib.crc32(rows)

    def take(self) -> tuple[bytes, ...]:
        """Return the rows of the lease and forget them."""
        rows, self._rows = tuple(self._rows), []
        return rows

    def sync(self) -> None:
        """Do nothing: the driver makes them durable."""

    def close(self) -> None:
        """Do nothing."""
