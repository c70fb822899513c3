"""One tar file that comes to be whole or not at all, filled from folders in which others go on writing."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tarfile
from typing import IO, TYPE_CHECKING

from batchmagic import disk
from batchmagic.errors import ResourceExistsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_BLOCK = 1 << 20
_TEMPORARY = (".tmp", ".new", ".part")


class Archive:
    """A tar file that is being written; names in it are relative to `prefix`."""

    def __init__(self, tar: tarfile.TarFile, prefix: str) -> None:
        self._tar = tar
        self._prefix = prefix
        self.files = 0

    def add_folder(self, name: str = "", *, mode: int = 0o700) -> None:
        """Add a folder without what is in it."""
        info = tarfile.TarInfo(f"{self._prefix}/{name}".rstrip("/"))
        info.type, info.mode = tarfile.DIRTYPE, mode
        self._add(info, os.stat_result((0, 0, 0, 0, os.getuid(), os.getgid(), 0, 0, 0, 0)))

    def add_bytes(self, name: str, file: IO[bytes]) -> None:
        """Add an open file of ours under `name`, readable by its owner only."""
        info = tarfile.TarInfo(f"{self._prefix}/{name}")
        self._add_regular(info, file, 0o600)

    def add_file(self, path: Path, name: str, *, at_least: int = 0) -> bool:
        """Add the file, as long as it is now; False if it is gone, shorter than that, or no regular file."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return False
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_size < at_least:
                return False
            self._add_regular(tarfile.TarInfo(f"{self._prefix}/{name}"), file, stat.S_IMODE(found.st_mode))
        return True

    def add_tree(self, folder: Path, name: str, *, skip: Callable[[str], bool] = lambda _: False) -> bool:
        """Add a folder with what is in it, but for temporary files; False if it is gone.

        Parameters
        ----------
        skip
            Told the name of each entry relative to `folder`, says which are left out.
        """
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            mode = stat.S_IMODE(folder.stat().st_mode)
        except (FileNotFoundError, NotADirectoryError):
            return False
        self.add_folder(name, mode=mode)
        for entry in entries:
            if not (entry.name.endswith(_TEMPORARY) and entry.name.startswith(".")) and not skip(entry.name):
                self._add_entry(entry, folder, f"{name}/{entry.name}", skip)
        return True

    def _add_entry(
        self, entry: os.DirEntry[str], folder: Path, name: str, skip: Callable[[str], bool]
    ) -> None:
        path = folder / entry.name
        if entry.is_symlink():
            with contextlib.suppress(FileNotFoundError):
                info = tarfile.TarInfo(f"{self._prefix}/{name}")
                info.type, info.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - bytes as they are
                self._add(info, path.lstat())
        elif entry.is_dir():
            self.add_tree(path, name, skip=lambda inner: skip(f"{entry.name}/{inner}"))
        elif entry.is_file():
            self.add_file(path, name)

    def _add_regular(self, info: tarfile.TarInfo, file: IO[bytes], mode: int) -> None:
        found = os.fstat(file.fileno())
        info.size, info.mode = found.st_size, mode
        self.files += 1
        self._add(info, found, _Exactly(file))

    def _add(self, info: tarfile.TarInfo, found: os.stat_result, content: _Exactly | None = None) -> None:
        info.uid, info.gid, info.mtime = found.st_uid, found.st_gid, int(found.st_mtime)
        self._tar.addfile(info, content)  # type: ignore[arg-type]  # all that it does is to read


class _Exactly:
    """A file that others may cut off while it is read: what is gone then reads as zeros."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        return self._file.read(size).ljust(size, b"\0")


@contextlib.contextmanager
def new_archive(file: Path, *, prefix: str, compressed: bool, overwrite: bool) -> Iterator[Archive]:
    """Give an archive that gets the name `file` (mode 0600) at the end; after an exception nothing is left of it.

    Raises
    ------
    ResourceExistsError
        If there is a file of that name by then, and `overwrite` is not given.
    DiskError
        If it cannot be written.
    """
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    with disk.told(file):
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        with disk.told(file), os.fdopen(descriptor, "wb", buffering=_BLOCK) as raw:
            mode = "w:gz" if compressed else "w"
            # GNU's form takes names of any bytes and length and files of any size, and every tar reads it.
            with tarfile.open(fileobj=raw, mode=mode, format=tarfile.GNU_FORMAT) as tar:  # type: ignore[call-overload]
                yield Archive(tar, prefix)
            raw.flush()
            os.fsync(raw.fileno())
        with disk.told(file):
            _name(new, file, overwrite=overwrite)
    finally:
        new.unlink(missing_ok=True)


def _name(new: Path, file: Path, *, overwrite: bool) -> None:
    if overwrite:
        new.replace(file)
    else:
        try:
            os.link(new, file)
        except FileExistsError:
            raise exists(file) from None
        except OSError:
            # A file system without links; between this look and the rename lies next to nothing.
            if file.exists():
                raise exists(file) from None
            new.replace(file)
    descriptor = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def exists(file: Path) -> ResourceExistsError:
    """Return the error that there is a file already."""
    return ResourceExistsError(
        f"There is a file {str(file)!r} already.",
        target="FILE",
        hint="Choose another name, or pass --overwrite.",
    )
