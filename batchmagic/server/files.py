"""Files that scripts have written, opened so that nothing else can be served in their place.

A script may leave links, pipes and devices where a file is looked for, and exchange folders while somebody looks. So
each part of a path is opened by itself, below the one before and never through a link, and what is judged is the file
that was opened: it must be a plain file of ours, with no other name, on the disk of the folder that it was looked for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic import disk
from batchmagic.errors import ResourceNotFoundError, UnsafePath
from batchmagic.sdk.sparse import is_sparse, stretches
from batchmagic.words import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

MOST_LISTED = 100_000
_MOST_STRETCHES = 100
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Not waiting: to open a pipe means to wait for whoever writes to it.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_ABSENT = {
    errno.EACCES,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENODEV,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENXIO,
    errno.EPERM,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A folder that files are served from.

    Attributes
    ----------
    base
        An existing folder that no script can replace; links in its path are followed.
    parts
        The way from there, in which there must be no link.
    """

    base: Path
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenFile:
    """A file that may be served; who gets it closes it.

    Attributes
    ----------
    modified
        Nanoseconds since the epoch.
    tag
        Changes when the file does.
    """

    descriptor: int
    size: int
    modified: int
    tag: str
    has_holes: bool

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A file that may be served.

    Attributes
    ----------
    path
        Relative to the folder that was listed.
    data
        Where a file with holes has data: half-open ranges of bytes; None where it has no holes.
    """

    path: str
    size: int
    modified: float
    data: list[tuple[int, int]] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values; a name that is no UTF-8 is told with escapes."""
        told = {"path": printable(self.path), "size": self.size, "modified": self.modified}
        return told if self.data is None else {**told, "data": self.data}


def parts_of(path: str) -> tuple[str, ...]:
    """Return the parts of a path from outside.

    Raises
    ------
    UnsafePath
        If it does not go straight down.
    """
    parts = tuple(path.split("/"))
    if "\0" in path or any(part in {"", ".", ".."} for part in parts):
        raise UnsafePath(path=printable(path.replace("\0", "\\0")))
    return parts


def open_file(place: Place, parts: Sequence[str]) -> OpenFile:
    """Return the file below the place.

    Raises
    ------
    ResourceNotFoundError
        If there is none that may be served, for whatever reason.
    DiskError
        If the disk does not give it.
    """
    name = "/".join(parts)
    try:
        with _folder(place, parts[:-1]) as (folder, device):
            return _opened(parts[-1], folder, device)
    except (OSError, ValueError) as error:
        # A ValueError is a name that no file can have.
        if isinstance(error, OSError) and error.errno not in _ABSENT:
            raise disk.disk_error(error, place.base) from error
        raise ResourceNotFoundError(kind="file", name=printable(name)) from error


def list_files(place: Place) -> list[Listed]:
    """Return the files that may be served, in the order of their paths, up to `MOST_LISTED`.

    Raises
    ------
    DiskError
        If the disk does not tell.
    """
    found: list[Listed] = []
    try:
        with _folder(place, ()) as (folder, device):
            for path in _walk(folder, device):
                found.append(path)
                if len(found) == MOST_LISTED:
                    break
    except OSError as error:
        if error.errno not in _ABSENT:
            raise disk.disk_error(error, place.base) from error
    return sorted(found, key=lambda item: printable(item.path))


def logs_of(record: JobRecord, ws: Workspace) -> Place:
    """Return where the logs of a job are."""
    return Place(base=ws.root, parts=("jobs", record.name, "logs"))


def log_size(ws: Workspace, record: JobRecord, path: str) -> int | None:
    """Return how long a log of a job is; None if there is none that may be read."""
    try:
        file = open_file(logs_of(record, ws), parts_of(path))
    except (ResourceNotFoundError, UnsafePath):
        return None
    file.close()
    return file.size


def _walk(top: int, device: int) -> Iterator[Listed]:
    for root, _, names, folder in os.fwalk(".", dir_fd=top, follow_symlinks=False):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile, or nothing to serve
                yield _listed(os.path.normpath(f"{root}/{name}"), name, folder, device)


def _listed(path: str, name: str, folder: int, device: int) -> Listed:
    found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    _check(found, device)
    data = None
    if is_sparse(found):
        file = _opened(name, folder, device)
        try:
            data = list(stretches(file.descriptor))[:_MOST_STRETCHES]
        finally:
            file.close()
    return Listed(path=path, size=found.st_size, modified=found.st_mtime, data=data)


@contextlib.contextmanager
def _folder(place: Place, parts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Give the folder as an open descriptor, with the device that it is on."""
    held = os.open(place.base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        device = os.fstat(held).st_dev
        for part in (*place.parts, *parts):
            below = os.open(part, _FOLDER, dir_fd=held)
            os.close(held)
            held = below
        yield held, device
    finally:
        os.close(held)


def _opened(name: str, folder: int, device: int) -> OpenFile:
    descriptor = os.open(name, _FILE, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        _check(found, device)
    except BaseException:
        os.close(descriptor)
        raise
    return OpenFile(
        descriptor=descriptor,
        size=found.st_size,
        modified=found.st_mtime_ns,
        tag=f"{found.st_ino:x}-{found.st_size:x}-{found.st_mtime_ns:x}",
        has_holes=is_sparse(found),
    )


def _check(found: os.stat_result, device: int) -> None:
    """Pass when this is a file to serve.

    Raises
    ------
    OSError
        If not.
    """
    is_ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
    if not is_ours or found.st_nlink != 1 or found.st_dev != device:
        raise FileNotFoundError(errno.ENOENT, "no file to serve")
