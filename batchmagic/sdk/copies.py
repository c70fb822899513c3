"""Copies of what is registered, for the user: writable, whatever the modes of a snapshot are."""

from __future__ import annotations

import shutil
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def copy_files(source: Path, target: Path, *, ignored: Collection[str] = ()) -> None:
    """Copy a file or a folder to `target`; what could be executed still can be.

    Folders above are made. Files and folders with a name in `ignored` are left out.
    """
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        if source.stat().st_mode & stat.S_IXUSR:
            target.chmod(target.stat().st_mode | stat.S_IXUSR)
        return
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name not in ignored:
            copy_files(path, target / path.name, ignored=ignored)
