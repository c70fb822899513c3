"""Temporary files of scoring processes: a folder of their own, of which nothing is left when they are gone.

It lies where the system has its temporary files, with a short name: sockets are made in it, whose paths may have a
hundred characters. It says which worker it belongs to; the next one removes what a worker that was killed has left.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.workspace import identity

if TYPE_CHECKING:
    from collections.abc import Callable

_PREFIX = "batchmagic-"
_OWNER = "owner.json"


def make_temporary(base: str | None) -> Path:
    """Return a new folder for temporary files below `base`, or where the system has them.

    Those of workers that have ended are gone then.
    """
    place = Path(base if base and os.path.isdir(base) else tempfile.gettempdir())  # noqa: PTH112
    for owner in place.glob(f"{_PREFIX}*/{_OWNER}"):
        if _is_own_folder(owner.parent) and _is_abandoned(owner):
            remove_folder(owner.parent)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    (folder / _OWNER).write_text(json.dumps(asdict(identity.current())), encoding="utf-8")
    return folder


def _is_abandoned(owner: Path) -> bool:
    try:
        found = identity.ProcessIdentity(**json.loads(owner.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return False  # not ours, or removed or written just now
    return identity.alive(found) is False


def remove_folder(folder: Path) -> None:
    """Remove a folder with all below it."""
    clear_folder(folder)
    shutil.rmtree(folder, ignore_errors=True)


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
