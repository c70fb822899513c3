"""The plan of a job: the input listed once, sorted, and cut into mini-batches that never change again."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from typing import TYPE_CHECKING, Self

from batchmagic import failpoints
from batchmagic.disk import told
from batchmagic.errors import DiskError, InputError
from batchmagic.workspace.manifest import ABOUT, CHECKS, FOLDER, INDEX, LINES, OFFSET, Manifest
from batchmagic.workspace.outside import from_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchmagic.scoring.own_files import OwnFiles

_FEW = 1000


def list_files(
    root: Path,
    *,
    recursive: bool,
    within: Path | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[str]:
    """Return the files of an input, relative to `root`, sorted.

    Parameters
    ----------
    root
        A folder, or one file (which is then the only entry).
    recursive
        Whether to enter folders. Links to folders are not entered: they may lead in a circle.
    within
        A folder, named without links, that neither `root` nor a link in it may lead out of; None: they may.
    meanwhile
        Called after each thousand files; what it raises ends the listing.

    Raises
    ------
    InputError
        If `root` does not exist or cannot be read, or something in it leads out of `within`.
    """
    try:
        _check_stays(root, within)
        if root.is_file():
            return [root.name]
        found = []
        for name, is_link in _walk(root, "", recursive=recursive):
            if is_link:
                _check_stays(root / name, within)
            found.append(name)
            if not len(found) % _FEW:
                meanwhile()
    except OSError as error:
        raise InputError(
            f"The input {str(root)!r} cannot be read: {error.strerror}.", target="input"
        ) from error
    # By the bytes of the name, so that the order is the same on every machine and in every locale.
    return sorted(found, key=os.fsencode)


def _check_stays(path: Path, within: Path | None) -> None:
    # `within` is not resolved: a folder above it may have become a link since the job was started.
    if within is not None and not path.resolve().is_relative_to(within):
        raise InputError(
            f"{path.name!r} in the input is a link that leads out of it.",
            target="input",
            hint="Put the file itself there: who started this job may read nothing else.",
        )


def _walk(folder: Path, prefix: str, *, recursive: bool) -> Iterator[tuple[str, bool]]:
    """Yield the name of each file, and whether it is a link."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if recursive and not entry.is_symlink():
                    yield from _walk(folder / entry.name, f"{prefix}{entry.name}/", recursive=True)
            else:
                yield prefix + entry.name, entry.is_symlink()


class Plan(Manifest):
    """The manifest of a job, and how it comes to be."""

    __slots__ = ()

    @classmethod
    def make(
        cls,
        job_folder: Path,
        source: Path,
        *,
        mini_batch_size: int,
        recursive: bool,
        within: Path | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        own: OwnFiles | None = None,
        begun: bool = False,
    ) -> Self:
        """Return the plan of a job, made now if the job has none yet.

        The input is listed only the first time, so that a resume plans the same mini-batches whatever
        has happened in the input folder since.

        Parameters
        ----------
        within
            See `list_files`.
        meanwhile
            Called now and then; what it raises leaves the job without a plan.
        own
            How the driver that makes it writes: of two that make one, the first one's is the plan.
        begun
            The job has begun before: it must have a plan. The input may be another by now, and none is made.

        Raises
        ------
        InputError
            If there is no file to score.
        JobCorrupted
            If the plan is damaged, or gone though the job has begun.
        """
        folder = job_folder / FOLDER
        if not begun and not cls.is_made(job_folder):
            files = list_files(source, recursive=recursive, within=within, meanwhile=meanwhile)
            if not files:
                hint = "" if recursive else "Files in nested folders are read with --recursive."
                raise InputError(f"The input {str(source)!r} has no files.", target="input", hint=hint)
            failpoints.hit("plan.listed")
            root = source.parent if source.is_file() else source
            _write(own.temporary(folder) if own else folder, root, files, mini_batch_size)
            if own:
                own.publish_folder(folder, whole=folder / ABOUT)
                own.forget_earlier(job_folder, FOLDER)
            failpoints.hit("plan.after_about")
        return cls.open(job_folder)

    @staticmethod
    def is_made(job_folder: Path) -> bool:
        """Return whether the job has its plan."""
        return (job_folder / FOLDER / ABOUT).exists()


def _workspace_of(job_folder: Path) -> Path:
    return job_folder.parent.parent


def _write(folder: Path, root: Path, files: list[str], size: int) -> None:
    """Write the manifest; the description comes last, so that it says that the other two are whole."""
    try:
        with told(folder):
            _write_manifest(folder, root, files, size)
    except DiskError:
        # Half a manifest is of no use; on a full disk its room is.
        for name in (LINES, INDEX):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)
        raise


def _write_manifest(folder: Path, root: Path, files: list[str], size: int) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    offset = 0
    count = 0
    checks = [0, 0]
    with (folder / LINES).open("wb") as lines, (folder / INDEX).open("wb") as index:
        for first in range(0, len(files), size):
            # ASCII JSON keeps names that are not UTF-8: they are lone surrogates, which UTF-8 refuses.
            line = json.dumps(files[first : first + size]).encode("ascii") + b"\n"
            entry = OFFSET.pack(offset)
            index.write(entry)
            lines.write(line)
            checks = [zlib.crc32(line, checks[0]), zlib.crc32(entry, checks[1])]
            offset += len(line)
            count += 1
        for file in (lines, index):
            file.flush()
            os.fsync(file.fileno())
    place = from_root(_workspace_of(folder.parent).resolve(), root.resolve())
    about = {
        "root": place,
        "files": len(files),
        "mini_batches": count,
        "mini_batch_size": size,
        CHECKS: checks,
    }
    failpoints.hit("plan.before_about")
    replace_file(folder / ABOUT, json.dumps(about).encode("ascii"))


def replace_file(path: Path, content: bytes) -> None:
    """Let `path` hold `content`, or what it held before if this is interrupted.

    Raises
    ------
    DiskError
        If the disk does not take it.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    with told(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            failpoints.hit("file.before_rename")
            temporary.replace(path)
        except OSError:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
