"""What an error of the operating system means for a file: which disk, what is wrong with it, and the way out."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

from batchmagic.errors import DiskError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MAKE_ROOM = "Make room there (`batchmagic prune` removes old jobs), then resume the job."
_LOOK = "Look at the disk, then resume the job."
_PERMIT = "Check the permissions of the file and its folder, then resume the job."
_SAYINGS = {
    errno.ENOSPC: ("is full", _MAKE_ROOM),
    errno.EDQUOT: ("has no more room for you: your quota is used up", _MAKE_ROOM),
    errno.EFBIG: ("takes no file of that size", _MAKE_ROOM),
    errno.EROFS: ("is read-only", "Mount it so that it can be written, then resume the job."),
    errno.EIO: ("reports an error", _LOOK),
    errno.ENXIO: ("is gone", _LOOK),
    errno.ENODEV: ("is gone", _LOOK),
    errno.ESTALE: ("has lost the file", _LOOK),
    errno.EXDEV: ("is not the one of the file's folder, so that the file cannot get its name", _LOOK),
    errno.EACCES: ("does not permit it", _PERMIT),
    errno.EPERM: ("does not permit it", _PERMIT),
}


def is_about_disk(error: OSError) -> bool:
    """Return whether the error is one of those that a disk gives, and not a network's or a process's."""
    return error.errno in _SAYINGS


def disk_error(error: OSError, path: str | os.PathLike[str]) -> DiskError:
    """Return the error of ours that says what `error` means for `path`."""
    what, hint = _SAYINGS.get(error.errno or 0, ("cannot be used", _LOOK))
    return saying(path, what, reason=str(error.strerror or error), hint=hint)


def saying(path: str | os.PathLike[str], what: str, *, reason: str, hint: str) -> DiskError:
    """Return the error for a file on a disk of which `what` is true."""
    name = os.fspath(path)
    return DiskError(
        f"{name} cannot be read or written: the disk at {disk_of(name)} {what} ({reason}).",
        path=name,
        hint=hint,
    )


def full(path: str | os.PathLike[str], *, reason: str) -> DiskError:
    """Return the error for a file whose disk is full."""
    return saying(path, "is full", reason=reason, hint=_MAKE_ROOM)


def disk_of(path: str) -> str:
    """Return where the disk that holds `path`, or would hold it, is mounted."""
    place = os.path.realpath(path)
    while not os.path.ismount(place):
        place = os.path.dirname(place)  # noqa: PTH120 - a name only
    return place


def is_read_only(path: Path) -> bool:
    """Return whether the disk of `path` is mounted read-only."""
    try:
        return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    except OSError:
        return False


@contextlib.contextmanager
def told(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what the operating system says about a file into a `DiskError` that names it."""
    try:
        yield
    except OSError as error:
        raise disk_error(error, error.filename or path) from error
