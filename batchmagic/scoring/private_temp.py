"""Temporary files of scoring processes: a folder of their own, of which nothing is left when they are gone.

It lies where the system has its temporary files, with a short name: sockets are made in it, whose paths may have a
hundred characters. A link in the job's working folder tells a later host of one whose worker was killed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "batchmagic-"
_LINK = "tmp"


def make_temporary(work: Path, base: str | None) -> Path:
    """Return a new folder for temporary files below `base`, or where the system has them.

    Parameters
    ----------
    work
        The working folder of the instance, which keeps a link to it.
    """
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base if base and os.path.isdir(base) else None))  # noqa: PTH112
    link = work / _LINK
    link.unlink(missing_ok=True)
    link.symlink_to(folder)
    return folder


def remove_work(work: Path) -> None:
    """Remove working folders with all below them, and the temporary files that they link to."""
    for link in [work / _LINK, *work.glob(f"*/{_LINK}")]:
        if link.is_symlink():
            target = link.readlink()
            if target.name.startswith(_PREFIX) and _is_own_folder(target):
                clear_folder(target)
                shutil.rmtree(target, ignore_errors=True)
    clear_folder(work)
    shutil.rmtree(work, ignore_errors=True)


def clear_folder(folder: Path) -> None:
    """Remove what is in a folder, also where a script has taken the right to; links are not followed."""
    for path in list(folder.iterdir()) if _is_own_folder(folder) else []:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, onerror=_insist)
        else:
            path.unlink(missing_ok=True)


def _insist(act: Callable[[str], object], path: str, _error: Any) -> None:
    """Try a removal once more with the rights that it needs."""
    try:
        os.chmod(os.path.dirname(path), stat.S_IRWXU)  # noqa: PTH101, PTH120 -- as `shutil` hands it over
        if os.path.isdir(path) and not os.path.islink(path):  # noqa: PTH112, PTH114
            os.chmod(path, stat.S_IRWXU)  # noqa: PTH101
            shutil.rmtree(path, ignore_errors=True)
        else:
            act(path)
    except OSError:
        return  # it stays, as does its folder; the next one to clear it tries again


def _is_own_folder(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
