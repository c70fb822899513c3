"""A folder that is written whole or not at all, beside files that are somebody else's."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic import disk
from batchmagic.errors import DiskError, ResourceExistsError, ValidationException
from batchmagic.workspace.folders import remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = ".batchmagic-export"
"""The file that lists what an export has written, so that the next one removes nothing else."""
_FIELD = "DIR"


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder that is being written: `new` takes the place of `target` at the end."""

    target: Path
    new: Path


@contextlib.contextmanager
def new_tree(folder: str | os.PathLike[str], root: Path, *, overwrite: bool) -> Iterator[Tree]:
    """Give a folder to write into; when that went well, all of it gets its place, else nothing does.

    Parameters
    ----------
    root
        The workspace, which nothing is written into.
    """
    target = Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - a link stays what the user named
    _check(target, root, overwrite=overwrite)
    with _told(target):
        home = target if target.is_dir() else target.parent
        scratch = Path(tempfile.mkdtemp(dir=home, prefix=f"{MANIFEST}-"))
        try:
            tree = Tree(target, scratch / "new")
            tree.new.mkdir()
            yield tree
            names = _files(tree.new)
            (tree.new / MANIFEST).write_text("\n".join(names) + "\n", encoding="utf-8")
            if target.is_dir():
                _move_in(tree.new, target, scratch / "old")
            else:
                tree.new.rename(target)
        finally:
            remove_tree(scratch)


@contextlib.contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        with disk.told(target):
            yield
    except DiskError as error:
        error.hint = error.hint.replace("resume the job", "try again")
        raise


def _check(target: Path, root: Path, *, overwrite: bool) -> None:
    def refused(reason: str, hint: str) -> ValidationException:
        return ValidationException(field=_FIELD, value=str(target), reason=reason, hint=hint)

    if os.path.lexists(target) and not target.is_dir():
        raise refused("is a file", "Name a folder.")
    if not target.parent.is_dir():
        raise refused("is in a folder that does not exist", f"Make it first: mkdir -p {target.parent}")
    if target.resolve().is_relative_to(root.resolve()):
        raise refused("lies in the workspace itself", "Put it elsewhere.")
    if target.is_dir() and any(target.iterdir()) and not overwrite:
        raise ResourceExistsError(
            f"The folder {str(target)!r} is not empty.",
            target=_FIELD,
            hint="Name another one, or pass --overwrite to replace what an earlier export wrote there.",
        )


def _files(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    )


def _move_in(new: Path, target: Path, old: Path) -> None:
    """Move every file of `new` into `target`, what it replaces and what an export wrote before into `old`.

    One that cannot be moved puts everything back where it was.
    """
    names = _files(new)
    before = [name for name in _listed(target) if (target / name).is_file()]
    clashing = next((name for name in names if (target / name).is_dir()), None)
    if clashing is not None:
        raise ResourceExistsError(
            f"{str(target / clashing)!r} is a folder.",
            target=_FIELD,
            hint="Name another folder to export to.",
        )
    done: list[tuple[Path, Path]] = []
    try:
        there = [name for name in dict.fromkeys([*before, *names]) if os.path.lexists(target / name)]
        moves = [(target / name, old / name) for name in there]
        for source, place in [*moves, *((new / name, target / name) for name in names)]:
            place.parent.mkdir(parents=True, exist_ok=True)
            source.rename(place)
            done.append((source, place))
    except OSError:
        for source, place in reversed(done):
            place.rename(source)
        raise
    for name in before:
        _remove_empty((target / name).parent, target)


def _listed(target: Path) -> list[str]:
    """Return the files that an earlier export wrote; no line leads out of the folder."""
    try:
        lines = (target / MANIFEST).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    return [line for line in lines if line and not Path(line).is_absolute() and ".." not in Path(line).parts]


def _remove_empty(folder: Path, target: Path) -> None:
    while folder != target and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent
