"""Where the workspace is: what was named, the environment, the nearest one above, else a new one here."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from batchmagic.errors import ResourceNotFoundError, WorkspaceError, WorkspaceNotPrivate

FOLDER = ".batchmagic"
VARIABLE = "BATCHMAGIC_WORKSPACE"
DATABASE = "workspace.db"


def locate(path: str | os.PathLike[str] | None = None, *, start: Path | None = None) -> Path:
    """Return the folder of the workspace, whether or not one is there yet.

    Parameters
    ----------
    path
        What the caller or its configuration names: a workspace, a folder that does not exist yet and
        becomes one, or any other folder, which has or shall have one in it.
    start
        Where the search begins; the working directory unless given.
    """
    named = path if path is not None else os.environ.get(VARIABLE) or None
    if named is not None:
        return _named(Path(named).expanduser().absolute())
    here = (start or Path.cwd()).absolute()
    return _nearest(here) or here / FOLDER


def exists(root: Path) -> bool:
    """Return whether there is a workspace at `root`.

    Raises
    ------
    WorkspaceNotPrivate
        If `root` is closed to this user.
    """
    try:
        return (root / DATABASE).exists()
    except PermissionError:
        raise _not_private(root) from None


def check_private(root: Path) -> None:
    """Pass when `root` belongs to this user and no one else can write in it.

    Raises
    ------
    WorkspaceNotPrivate
        Otherwise.
    """
    if not _is_private(root):
        raise _not_private(root)


def missing(root: Path) -> ResourceNotFoundError:
    """Return the error that there is no workspace at `root`."""
    return ResourceNotFoundError(
        f"There is no workspace in {root.parent if root.name == FOLDER else root}.",
        kind="workspace",
        hint=f"The first endpoint, model or deployment makes one; or set {VARIABLE}.",
    )


def _named(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise WorkspaceError(f"{path} is no folder.", target="workspace", hint="Name a folder.")
    if path.name == FOLDER or exists(path) or not path.exists():
        return path
    return path / FOLDER  # a project folder: its mode and its files are not ours


def _nearest(here: Path) -> Path | None:
    home = Path.home()
    for folder in (here, *here.parents):
        candidate = folder / FOLDER
        # In this order: one of another user may be closed to us, which is no reason to fail.
        if _is_private(candidate) and exists(candidate):
            return candidate
        if folder == home or folder.is_mount():
            return None
    return None


def _not_private(root: Path) -> WorkspaceNotPrivate:
    return WorkspaceNotPrivate(
        f"{root} belongs to another user or can be written by others.",
        target="workspace",
        hint=f"Use a folder of your own, or: chmod go-rwx {root}",
    )


def _is_private(folder: Path) -> bool:
    try:
        # Both the name and what it leads to: a link that someone else placed is not ours.
        link, real = folder.lstat(), folder.stat()
    except (FileNotFoundError, PermissionError):
        return False
    mine = link.st_uid == real.st_uid == os.geteuid()
    return mine and not stat.S_IMODE(real.st_mode) & 0o022
