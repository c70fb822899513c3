"""Keeps the scoring processes' log files small while they write: offsets never move, the first MiB always stays."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FIRST_BYTES = 1 << 20
LAST_BYTES = 1 << 20
FILE_LIMIT = 64 << 20
JOB_LIMIT = 1 << 30
_SECONDS = 0.5
_MARK = b"\n[batchmagic: what stood here was dropped, the log was over its limit]\n"
_PUNCH_HOLE_KEEP_SIZE = 0x03


class LogLimiter:
    """Watches the log folder of a job on one instance until it is closed.

    A file that takes more than 64 MiB on disk, and any file once the job's logs take more than 1 GiB, keeps
    its first and its last MiB; what lies between becomes a hole, which reads as zeros.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="batchmagic-logs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look at the files a last time and stop watching."""
        self._end.set()
        self._thread.join()
        limit_logs(self._folder)

    def _watch(self) -> None:
        pause = _SECONDS
        while not self._end.wait(pause):
            # A flood comes at a gigabyte a second.
            pause = _SECONDS / 10 if limit_logs(self._folder) else _SECONDS


def limit_logs(folder: Path, *, file_limit: int = FILE_LIMIT, job_limit: int = JOB_LIMIT) -> bool:
    """Bring every log file below `folder` within its limit, all of them within the job's; return whether any was not."""
    cut = False
    taken = {}
    for path in folder.rglob("*.txt"):
        with contextlib.suppress(FileNotFoundError):
            taken[path] = path.stat().st_blocks * 512
    over = sum(taken.values()) > job_limit
    for path, size in taken.items():
        if size > file_limit or (over and size > 4 * (FIRST_BYTES + LAST_BYTES)):
            _drop_middle(path)
            cut = True
    return cut


def _drop_middle(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        end = os.fstat(descriptor).st_size - LAST_BYTES
        if end <= FIRST_BYTES:
            return
        if _punch_hole(descriptor, FIRST_BYTES, end - FIRST_BYTES):
            os.pwrite(descriptor, _MARK, FIRST_BYTES)
        else:
            # Without holes the file is cut instead; writers append, so they go on behind the mark.
            os.truncate(descriptor, FIRST_BYTES)
            os.pwrite(descriptor, _MARK, FIRST_BYTES)
    finally:
        os.close(descriptor)


def _punch_hole(descriptor: int, offset: int, length: int) -> bool:
    if not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    code = libc.fallocate(
        ctypes.c_int(descriptor),
        ctypes.c_int(_PUNCH_HOLE_KEEP_SIZE),
        ctypes.c_int64(offset),
        ctypes.c_int64(length),
    )
    return bool(code == 0)
