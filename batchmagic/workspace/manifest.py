"""The manifest of a job: which files each of its mini-batches has.

It is two files. ``manifest.jsonl`` has one line per mini-batch: the JSON list of its files, relative to the input
folder. ``manifest.idx`` has the byte offset of each line as 8 bytes, so that a million mini-batches need no memory.
"""

from __future__ import annotations

import json
import mmap
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from batchmagic.errors import JobCorrupted

if TYPE_CHECKING:
    from pathlib import Path

OFFSET = struct.Struct(">Q")
FOLDER = "manifest"
LINES = "manifest.jsonl"
INDEX = "manifest.idx"
ABOUT = "plan.json"
CHECKS = "crc32"
# What the path of one file can take: every byte of it as an escape.
_LONGEST = 6 * 4096
_DECODER = json.JSONDecoder()
_GONE = "it is gone, though the job has begun"


@dataclass(frozen=True, kw_only=True, slots=True)
class Manifest:
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
    def open(cls, job_folder: Path, *, check: bool = True) -> Self:
        """Return the manifest that was made for the job.

        Parameters
        ----------
        check
            Read all of it, to see that it is what was planned.

        Raises
        ------
        JobCorrupted
            If it is damaged or gone.
        """
        folder = job_folder / FOLDER
        try:
            about = json.loads((folder / ABOUT).read_bytes())
            checks = about.pop(CHECKS, None)
            about["root"] = str((job_folder.parent.parent / about["root"]).resolve())
            found = cls(_lines=_map(folder / LINES), _index=_map(folder / INDEX), **about)
        except FileNotFoundError as error:
            raise JobCorrupted(path=str(error.filename), reason=_GONE) from error
        except (ValueError, TypeError, AttributeError, KeyError) as error:
            raise JobCorrupted(path=str(folder), reason=f"it holds no plan: {error}") from error
        if check and checks:
            found._compare(folder, checks)
        return found

    def _compare(self, folder: Path, checks: list[int]) -> None:
        found = [zlib.crc32(self._lines), zlib.crc32(self._index)]
        for name, now, planned in zip((LINES, INDEX), found, checks, strict=True):
            if now != planned:
                self.close()
                raise JobCorrupted(path=str(folder / name), reason="it is not what was planned")

    def paths_of(self, mini_batch: int, part: int = 0) -> list[str]:
        """Return the files of a mini-batch relative to `root`, or only its file number `part`."""
        start = self._offset(mini_batch)
        last = mini_batch + 1 == self.mini_batches
        stop = len(self._lines) if last else self._offset(mini_batch + 1)
        files: list[str] = json.loads(self._lines[start:stop])
        return files if not part else [files[part - 1]]

    def first_of(self, mini_batch: int) -> str:
        """Return the first file of a mini-batch, however many it has."""
        start = self._offset(mini_batch) + 1  # behind the bracket
        name, _ = _DECODER.raw_decode(self._lines[start : start + _LONGEST].decode("ascii"))
        return str(name)

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the manifest."""
        self._lines.close()
        self._index.close()

    def _offset(self, mini_batch: int) -> int:
        offset: int = OFFSET.unpack_from(self._index, mini_batch * OFFSET.size)[0]
        return offset


def _map(path: Path) -> mmap.mmap:
    with path.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
