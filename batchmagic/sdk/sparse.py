"""Files with holes: logs of which the middle was dropped are as long as what was written, and take little of the disk."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_BLOCK = 512


def copy_file(source: Path, target: Path) -> None:
    """Make `target` a copy of `source` that takes no more of the disk than `source` does."""
    if not has_holes(source):
        shutil.copyfile(source, target)
        return
    with source.open("rb") as read, target.open("wb") as write:
        for start, end in _stretches(read.fileno()):
            for at in range(start, end, _CHUNK):
                write.seek(at)
                write.write(os.pread(read.fileno(), min(_CHUNK, end - at), at))
        write.truncate(os.fstat(read.fileno()).st_size)


def read_text(path: Path) -> str:
    """Return the text that was written to a file and is still there; its holes are left out."""
    if not has_holes(path):
        return path.read_text(encoding="utf-8", errors="replace")
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        pieces = [_piece(file.fileno(), start, end, size) for start, end in _stretches(file.fileno())]
    return b"".join(pieces).decode("utf-8", "replace")


def has_holes(path: Path) -> bool:
    """Whether a file takes less of the disk than it is long."""
    found = path.stat()
    return hasattr(os, "SEEK_HOLE") and found.st_blocks * _BLOCK < found.st_size


def _piece(descriptor: int, start: int, end: int, size: int) -> bytes:
    """Return a stretch without the zeros of the blocks that a hole covers in part."""
    piece = b""
    while len(piece) < end - start and (
        more := os.pread(descriptor, end - start - len(piece), start + len(piece))
    ):
        piece += more
    piece = piece if end >= size else piece.rstrip(b"\0")
    return piece if start == 0 else piece.lstrip(b"\0")


def _stretches(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield where the data is: the half-open ranges between the holes."""
    size = os.fstat(descriptor).st_size
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return  # nothing but a hole follows
        end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        yield start, end
