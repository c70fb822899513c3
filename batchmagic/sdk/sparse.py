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
        for start, end in stretches(read.fileno()):
            for at in range(start, end, _CHUNK):
                write.seek(at)
                write.write(os.pread(read.fileno(), min(_CHUNK, end - at), at))
        write.truncate(os.fstat(read.fileno()).st_size)


def read_text(path: Path) -> str:
    """Return the text that was written to a file and is still there; its holes are left out."""
    with path.open("rb") as file:
        return b"".join(pieces(file.fileno())).decode("utf-8", "replace")


def pieces(descriptor: int, *, size: int | None = None) -> Iterator[bytes]:
    """Yield what is in a file, up to `size`, without its holes and the zeros of blocks that a hole covers in part."""
    size = os.fstat(descriptor).st_size if size is None else size
    for start, end in stretches(descriptor):
        at, stop = start, min(end, size)
        while at < stop and (piece := os.pread(descriptor, min(_CHUNK, stop - at), at)):
            told = piece.lstrip(b"\0") if 0 < start == at else piece
            at += len(piece)
            yield told.rstrip(b"\0") if at == end < size else told


def has_holes(path: Path) -> bool:
    """Whether a file takes less of the disk than it is long."""
    return is_sparse(path.stat())


def is_sparse(found: os.stat_result) -> bool:
    """Whether a file of which this is known takes less of the disk than it is long."""
    return hasattr(os, "SEEK_HOLE") and found.st_blocks * _BLOCK < found.st_size


def stretches(descriptor: int) -> Iterator[tuple[int, int]]:
    """Yield where the data is: the half-open ranges between the holes."""
    size = os.fstat(descriptor).st_size
    if not hasattr(os, "SEEK_HOLE"):
        yield 0, size
        return
    end = 0
    while end < size:
        try:
            start = os.lseek(descriptor, end, os.SEEK_DATA)
        except OSError:
            return  # nothing but a hole follows
        end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        yield start, end
