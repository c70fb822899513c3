"""Folders and files that belong to their owner alone, written whole, and removed whatever their modes are."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from batchmagic.errors import WorkspaceMoved

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def private_folder(path: Path) -> Path:
    """Return `path`, which then is a folder that only its owner can enter, whatever the umask is.

    The one above it must be there: a workspace that was moved away is not made anew in its old place.

    Raises
    ------
    WorkspaceMoved
        If it is not.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        raise WorkspaceMoved(path=str(path.parent)) from None
    if stat.S_IMODE(path.stat().st_mode) != 0o700:  # noqa: PLR2004 - the mode of the line above
        path.chmod(0o700)
    return path


def folder_in(base: Path, relative: str) -> Path:
    """Return ``base/relative``, which then is a private folder as all between are; `base` itself is never made.

    Raises
    ------
    WorkspaceMoved
        If `base` is not there.
    """
    path = base
    for part in PurePosixPath(relative).parts:
        path = private_folder(path / part)
    return path


def write_private(path: Path, content: bytes) -> None:
    """Make `content` the whole of the file at `path`, mode 0600; a reader sees the old or the new, never a mix."""
    new = path.with_name(f".{secrets.token_hex(8)}.new")
    try:
        descriptor = os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def remove_tree(path: Path) -> None:
    """Remove the folder at `path` and what is in it, also when it is read-only; nothing there is fine."""
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    with contextlib.suppress(FileNotFoundError):
        _unlock(path)
        shutil.rmtree(path)


def move_away(path: Path, trash: Path) -> Path | None:
    """Move `path` under a new name into `trash` and return where it is; None if there was nothing.

    One rename, so that a name is free at once however much lies in the folder.
    """
    private_folder(trash)
    target = trash / f"{path.name[:64]}-{secrets.token_hex(4)}"
    try:
        # Moving a folder changes its entry "..", which a read-only folder does not allow to all users.
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
        path.rename(target)
    except FileNotFoundError:
        return None
    return target


def size_of(path: Path) -> int:
    """Return the bytes of the files in and below `path`; what vanishes meanwhile counts nothing."""
    total = 0
    for folder, _, files in os.walk(path):
        for name in files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - os.walk gives text
    return total


def each_folder(path: Path, do: Callable[[str], None]) -> None:
    """Call `do` with `path` and every folder below it, deepest last."""
    for folder, _, _ in os.walk(path):
        do(folder)


def _unlock(path: Path) -> None:
    each_folder(path, lambda folder: os.chmod(folder, 0o700))  # noqa: PTH101
