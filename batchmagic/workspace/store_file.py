"""One SQLite file on disk: made whole or not at all, judged before it is opened, its errors in our words."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sqlite3
from typing import TYPE_CHECKING
from urllib.parse import quote

from batchmagic import disk
from batchmagic.errors import DiskError, StoreBusy, StoreCorrupted, WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

APPLICATION_ID = 0x62746D67  # "btmg", in the header of every database that is ours
BUSY_SECONDS = 30.0
_CHECK_LIMIT = 64 << 20  # a reader does not wait for a check of more than this
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_LOCKED = (
    f"is locked by another process for more than {BUSY_SECONDS:.0f} s",
    "Look for a stopped process that holds it, and try again.",
)
_DISK_SAYINGS = {
    sqlite3.SQLITE_IOERR: (
        "cannot be read or written by this disk",
        "Look at the disk and its quota, then resume.",
    ),
    sqlite3.SQLITE_READONLY: ("cannot be written", "Check the permissions of the file and its folder."),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened",
        "Check that the workspace folder is still there, readable, and on a disk with room.",
    ),
}


def uri(path: Path, *, mode: str = "rw") -> str:
    """Return the SQLite URI of `path`; with mode ``rw`` a file that is gone is not made anew in silence."""
    return f"file:{quote(str(path.absolute()))}?mode={mode}"


def place_of(path: Path) -> tuple[int, int] | None:
    """Return what tells the file or folder at `path` from every other one of this machine; None if nothing is there."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def connect(path: Path, *, mode: str = "rw") -> sqlite3.Connection:
    """Return a connection that takes no transaction by itself and may be used from any thread."""
    return sqlite3.connect(
        uri(path, mode=mode), uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
    )


def translated(path: Path, error: sqlite3.Error) -> WorkspaceError | None:
    """Return the error of ours that says what `error` means for `path`; None if it is not about the file."""
    primary = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if primary in _DAMAGED:
        return StoreCorrupted(path=str(path), reason=str(error))
    if primary == sqlite3.SQLITE_BUSY:
        what, hint = _LOCKED
        return StoreBusy(f"{path} {what} ({error}).", target="workspace", hint=hint)
    if primary == sqlite3.SQLITE_FULL:
        return disk.full(path, reason=str(error))
    if primary not in _DISK_SAYINGS:
        return None
    if disk.is_read_only(path.parent):
        return disk.disk_error(OSError(errno.EROFS, str(error)), path)
    what, hint = _DISK_SAYINGS[primary]
    return DiskError(f"{path} {what} ({error}).", path=str(path), hint=hint)


@contextlib.contextmanager
def speaking(path: Path) -> Iterator[None]:
    """Say in our words what SQLite reports of the database at `path`."""
    try:
        yield
    except sqlite3.Error as error:
        known = translated(path, error)
        if known is None:
            raise
        raise known from error


def inspect(path: Path, *, thorough: bool, check: bool = True) -> int:
    """Return the schema number of the database at `path`, having changed no byte of it.

    Parameters
    ----------
    thorough
        Check all of it however large it is.
    check
        Whether to check the pages of a small one at all.

    Raises
    ------
    StoreCorrupted
        If the file is damaged, cut off, or not a database of ours.
    """
    size = path.stat().st_size
    if size == 0:
        raise StoreCorrupted(path=str(path), reason="the file is empty")
    thorough = check and (thorough or size <= _CHECK_LIMIT)
    with speaking(path):
        try:
            return _inspect(path, "ro", thorough=thorough)
        except sqlite3.OperationalError as error:
            # A writer that was killed left its journal; only who may write can take it back.
            if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
                raise
            return _inspect(path, "rw", thorough=thorough)


def _inspect(path: Path, mode: str, *, thorough: bool) -> int:
    # A read-only connection neither checkpoints nor repairs, so a damaged file stays as it was found.
    with contextlib.closing(connect(path, mode=mode)) as connection:
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        if owner != APPLICATION_ID:
            raise StoreCorrupted(path=str(path), reason="it is not a database of batchmagic")
        if thorough:
            _check_pages(connection, path)
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _check_pages(connection: sqlite3.Connection, path: Path) -> None:
    finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise StoreCorrupted(path=str(path), reason=str(finding).replace("\n", " ").replace("*** ", ""))


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    new = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.new")
    os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    try:
        yield new
    finally:
        for leftover in (new, *(new.with_name(new.name + end) for end in ("-wal", "-shm", "-journal"))):
            leftover.unlink(missing_ok=True)


def make(path: Path, fill: Callable[[Path], None], *, journal: str) -> None:
    """Make the database at `path`, which then is whole: `fill` writes a file beside it, which gets its name last.

    If another process was faster, its file stays and ours is dropped.

    Raises
    ------
    DiskError
        If the disk does not take it; nothing is there then.
    """
    with disk.told(path), speaking(path), _beside(path) as new:
        with contextlib.closing(connect(new)) as connection:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        fill(new)
        # Not before it is filled: what a write-ahead log holds reaches the file when it is closed, and if that
        # fails, SQLite says nothing.
        with contextlib.closing(connect(new)) as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        _sync(new)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
