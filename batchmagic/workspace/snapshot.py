"""Copies of what a user registers: hashed while they are copied, on disk for good, and read-only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from batchmagic.errors import ValidationException
from batchmagic.workspace.folders import each_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

CODE_IGNORED = frozenset({
    ".batchmagic", ".git", ".hg", ".svn", ".venv", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache",
    ".ruff_cache", "__pycache__", "node_modules",
})  # fmt: skip
"""Names that are left out of a snapshot of code."""

_BLOCK = 1 << 20
_FICLONE = 0x40049409


@dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What a copy holds: `digest` is the same for the same names, contents and execute bits."""

    digest: str
    bytes: int
    files: int


def take(source: Path, target: Path, *, ignored: Collection[str] = ()) -> Snapshot:
    """Copy the file or folder `source` to `target`, which must not exist, and return what it then holds.

    The copy is synced to disk and read-only. Symbolic links are followed. If anything in the source
    cannot be copied, the error names it.

    Raises
    ------
    ValidationException
        If the source is missing, or holds something that is no file or a link that leads nowhere or
        into a circle.
    """
    if source.is_dir():
        return _take_folder(source, target, ignored)
    _expect_file(source)
    file_digest, size = _copy(source, target)
    tree = hashlib.sha256()
    _add(tree, source.name, executable=_is_executable(source), digest=file_digest)
    return Snapshot(digest=tree.hexdigest(), bytes=size, files=1)


def _take_folder(source: Path, target: Path, ignored: Collection[str]) -> Snapshot:
    tree = hashlib.sha256()
    total = count = 0
    target.mkdir(mode=0o700)
    for path, inner in sorted(_files(source, ignored), key=lambda found: os.fsencode(found[1])):
        copied = target / inner
        copied.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        digest, size = _copy(path, copied)
        _add(tree, inner, executable=_is_executable(path), digest=digest)
        total += size
        count += 1
    each_folder(target, _seal)
    return Snapshot(digest=tree.hexdigest(), bytes=total, files=count)


def _files(
    folder: Path, ignored: Collection[str], prefix: str = "", above: tuple[Path, ...] = ()
) -> Iterator[tuple[Path, str]]:
    real = folder.resolve()
    if real in above:
        raise ValidationException(field="path", value=str(folder), reason="is a link into a circle")
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name in ignored:
                continue
            path = Path(entry.path)
            if entry.is_dir():
                yield from _files(path, ignored, f"{prefix}{entry.name}/", (*above, real))
            else:
                _expect_file(path)
                yield path, f"{prefix}{entry.name}"


def _expect_file(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        reason = "is a link that leads nowhere" if path.is_symlink() else "does not exist"
        raise ValidationException(field="path", value=str(path), reason=reason) from None
    except OSError as error:
        raise ValidationException(
            field="path", value=str(path), reason=f"cannot be read ({error.strerror})"
        ) from None
    if not stat.S_ISREG(mode):
        raise ValidationException(field="path", value=str(path), reason="is neither a file nor a folder")


def _copy(source: Path, target: Path) -> tuple[str, int]:
    with source.open("rb") as read, target.open("xb") as write:
        cloned = _clone(read, write)
        digest, size = _pump(target if cloned else source, None if cloned else write)
        write.flush()
        os.fsync(write.fileno())
    target.chmod(0o555 if _is_executable(source) else 0o444)
    return digest, size


def _pump(source: Path, write: IO[bytes] | None) -> tuple[str, int]:
    # The hash is that of the bytes which are kept, even when the source changes meanwhile.
    content = hashlib.sha256()
    size = 0
    with source.open("rb") as read:
        while block := read.read(_BLOCK):
            content.update(block)
            size += len(block)
            if write is not None:
                write.write(block)
    return content.hexdigest(), size


def _clone(read: IO[bytes], write: IO[bytes]) -> bool:
    """Share the blocks of a file where the file system can (btrfs, XFS), which takes no time and no room."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - POSIX only

    with contextlib.suppress(OSError):
        fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        return True
    return False


def _add(tree: hashlib._Hash, inner: str, *, executable: bool, digest: str) -> None:
    tree.update(os.fsencode(inner) + (b"\0x\0" if executable else b"\0-\0") + digest.encode() + b"\n")


def _is_executable(path: Path) -> bool:
    return bool(path.stat().st_mode & stat.S_IXUSR)


def _seal(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        os.fchmod(descriptor, 0o500)
    finally:
        os.close(descriptor)
