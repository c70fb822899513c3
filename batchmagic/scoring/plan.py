"""The plan of a job: the input listed once, sorted, and cut into mini-batches that never change again.

The manifest is two files. ``manifest.jsonl`` has one line per mini-batch: the JSON list of its files, relative
to the input folder. ``manifest.idx`` has the byte offset of each line as 8 bytes, so that a million mini-batches
need no memory.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from batchmagic import failpoints
from batchmagic.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_OFFSET = struct.Struct(">Q")
_FOLDER = "manifest"
_LINES = "manifest.jsonl"
_INDEX = "manifest.idx"
_ABOUT = "plan.json"


def list_files(root: Path, *, recursive: bool) -> list[str]:
    """Return the files of an input, relative to `root`, sorted.

    Parameters
    ----------
    root
        A folder, or one file (which is then the only entry).
    recursive
        Whether to enter folders. Links to folders are not entered: they may lead in a circle.

    Raises
    ------
    InputError
        If `root` does not exist or cannot be read.
    """
    try:
        if root.is_file():
            return [root.name]
        found = list(_walk(root, "", recursive=recursive))
    except OSError as error:
        raise InputError(
            f"The input {str(root)!r} cannot be read: {error.strerror}.", target="input"
        ) from error
    # By the bytes of the name, so that the order is the same on every machine and in every locale.
    return sorted(found, key=os.fsencode)


def _walk(folder: Path, prefix: str, *, recursive: bool) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if recursive and not entry.is_symlink():
                    yield from _walk(folder / entry.name, f"{prefix}{entry.name}/", recursive=True)
            else:
                yield prefix + entry.name


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
    def make(cls, job_folder: Path, source: Path, *, mini_batch_size: int, recursive: bool) -> Self:
        """Return the plan of a job, made now if the job has none yet.

        The input is listed only the first time, so that a resume plans the same mini-batches whatever
        has happened in the input folder since.

        Raises
        ------
        InputError
            If there is no file to score.
        """
        folder = job_folder / _FOLDER
        if not (folder / _ABOUT).exists():
            files = list_files(source, recursive=recursive)
            if not files:
                hint = "" if recursive else "Files in nested folders are read with --recursive."
                raise InputError(f"The input {str(source)!r} has no files.", target="input", hint=hint)
            failpoints.hit("plan.listed")
            root = source.parent if source.is_file() else source
            _write(folder, root, files, mini_batch_size)
        return cls.open(job_folder)

    @classmethod
    def open(cls, job_folder: Path) -> Self:
        """Return the plan that was made for the job."""
        folder = job_folder / _FOLDER
        about = json.loads((folder / _ABOUT).read_text())
        return cls(_lines=_map(folder / _LINES), _index=_map(folder / _INDEX), **about)

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


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _write(folder: Path, root: Path, files: list[str], size: int) -> None:
    """Write the manifest; the description comes last, so that it says that the other two are whole."""
    folder.mkdir(mode=0o700, exist_ok=True)
    offset = 0
    count = 0
    with (folder / _LINES).open("wb") as lines, (folder / _INDEX).open("wb") as index:
        for first in range(0, len(files), size):
            # ASCII JSON keeps names that are not UTF-8: they are lone surrogates, which UTF-8 refuses.
            line = json.dumps(files[first : first + size]).encode("ascii") + b"\n"
            index.write(_OFFSET.pack(offset))
            lines.write(line)
            offset += len(line)
            count += 1
        for file in (lines, index):
            file.flush()
            os.fsync(file.fileno())
    about = {"root": str(root.resolve()), "files": len(files), "mini_batches": count, "mini_batch_size": size}
    failpoints.hit("plan.before_about")
    replace_file(folder / _ABOUT, json.dumps(about).encode("ascii"))
    failpoints.hit("plan.after_about")


def replace_file(path: Path, content: bytes) -> None:
    """Let `path` hold `content`, or what it held before if this is interrupted."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    failpoints.hit("file.before_rename")
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
