"""The plan of a job: the input listed once, sorted, and cut into mini-batches that never change again.

The manifest is two files. ``manifest.jsonl`` has one line per mini-batch: the JSON list of its files, relative
to the input folder. ``manifest.idx`` has the byte offset of each line as 8 bytes, so that a million mini-batches
need no memory.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from batchmagic import failpoints
from batchmagic.disk import told
from batchmagic.errors import DiskError, InputError, JobCorrupted
from batchmagic.workspace.outside import from_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchmagic.scoring.own_files import OwnFiles

_OFFSET = struct.Struct(">Q")
_FOLDER = "manifest"
_LINES = "manifest.jsonl"
_INDEX = "manifest.idx"
_ABOUT = "plan.json"
_CHECKS = "crc32"
_GONE = "it is gone, though the job has begun"
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """The manifest of a job, open for reading.

    Attributes
    ----------
    root
        The folder that the files are relative to.
    mini_batch_size
        Files per mini-batch; the last mini-batch may have fewer.
    """

    root: str
    files: int
    mini_batches: int
    mini_batch_size: int
    _lines: mmap.mmap
    _index: mmap.mmap

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
        folder = job_folder / _FOLDER
        if not begun and not cls.is_made(job_folder):
            files = list_files(source, recursive=recursive, within=within, meanwhile=meanwhile)
            if not files:
                hint = "" if recursive else "Files in nested folders are read with --recursive."
                raise InputError(f"The input {str(source)!r} has no files.", target="input", hint=hint)
            failpoints.hit("plan.listed")
            root = source.parent if source.is_file() else source
            _write(own.temporary(folder) if own else folder, root, files, mini_batch_size)
            if own:
                own.publish_folder(folder, whole=folder / _ABOUT)
                own.forget_earlier(job_folder, _FOLDER)
            failpoints.hit("plan.after_about")
        return cls.open(job_folder)

    @staticmethod
    def is_made(job_folder: Path) -> bool:
        """Return whether the job has its plan."""
        return (job_folder / _FOLDER / _ABOUT).exists()

    @classmethod
    def open(cls, job_folder: Path) -> Self:
        """Return the plan that was made for the job.

        Raises
        ------
        JobCorrupted
            If it is damaged or gone.
        """
        folder = job_folder / _FOLDER
        try:
            about = json.loads((folder / _ABOUT).read_bytes())
            checks = about.pop(_CHECKS, None)
            about["root"] = str((_workspace_of(job_folder) / about["root"]).resolve())
            plan = cls(_lines=_map(folder / _LINES), _index=_map(folder / _INDEX), **about)
        except FileNotFoundError as error:
            raise JobCorrupted(path=str(error.filename), reason=_GONE) from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise JobCorrupted(path=str(folder), reason=f"it holds no plan: {error}") from error
        found = [zlib.crc32(plan._lines), zlib.crc32(plan._index)]
        for name, now, planned in zip((_LINES, _INDEX), found, checks or found, strict=True):
            if now != planned:
                plan.close()
                raise JobCorrupted(path=str(folder / name), reason="it is not what was planned")
        return plan

    def paths_of(self, mini_batch: int, part: int = 0) -> list[str]:
        """Return the files of a mini-batch relative to `root`, or only its file number `part`."""
        start = self._offset(mini_batch)
        last = mini_batch + 1 == self.mini_batches
        stop = len(self._lines) if last else self._offset(mini_batch + 1)
        files: list[str] = json.loads(self._lines[start:stop])
        return files if not part else [files[part - 1]]

    def paths_of_range(self, first: int, count: int) -> list[list[str]]:
        """Return the files of `count` mini-batches from `first` on; one slice of the manifest."""
        after = first + count
        stop = len(self._lines) if after >= self.mini_batches else self._offset(after)
        lines = self._lines[self._offset(first) : stop].splitlines()
        files: list[list[str]] = json.loads(b"[" + b",".join(lines) + b"]")
        return files

    def files_in(self, mini_batch: int) -> int:
        """Return the number of files of a mini-batch."""
        return min(self.mini_batch_size, self.files - mini_batch * self.mini_batch_size)

    def close(self) -> None:
        """Close the manifest."""
        self._lines.close()
        self._index.close()

    def _offset(self, mini_batch: int) -> int:
        offset: int = _OFFSET.unpack_from(self._index, mini_batch * _OFFSET.size)[0]
        return offset


def _workspace_of(job_folder: Path) -> Path:
    return job_folder.parent.parent


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _write(folder: Path, root: Path, files: list[str], size: int) -> None:
    """Write the manifest; the description comes last, so that it says that the other two are whole."""
    try:
        with told(folder):
            _write_manifest(folder, root, files, size)
    except DiskError:
        # Half a manifest is of no use; on a full disk its room is.
        for name in (_LINES, _INDEX):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)
        raise


def _write_manifest(folder: Path, root: Path, files: list[str], size: int) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    offset = 0
    count = 0
    checks = [0, 0]
    with (folder / _LINES).open("wb") as lines, (folder / _INDEX).open("wb") as index:
        for first in range(0, len(files), size):
            # ASCII JSON keeps names that are not UTF-8: they are lone surrogates, which UTF-8 refuses.
            line = json.dumps(files[first : first + size]).encode("ascii") + b"\n"
            entry = _OFFSET.pack(offset)
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
        _CHECKS: checks,
    }
    failpoints.hit("plan.before_about")
    replace_file(folder / _ABOUT, json.dumps(about).encode("ascii"))


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
