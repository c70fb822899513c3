"""Ends scoring processes that use more memory than their deployment's ``memory_per_slot``."""

from __future__ import annotations

import contextlib
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from batchmagic.scoring.slot import Slot

_LINUX = sys.platform.startswith("linux")
_SECONDS = 0.1
# To share out what several processes have in common takes the kernel milliseconds per gigabyte.
_CLOSER_LOOK_SECONDS = 1.0
_OWN = (b"RssAnon:", b"RssShmem:")
_SHARE = (b"Pss_Anon:", b"Pss_Shmem:")


class MemoryWatch:
    """Looks at the scoring processes of a job on one instance ten times a second until it is closed.

    What counts is the memory that a process and all processes below it hold for themselves: not files that they
    map, and what they share only once.

    Parameters
    ----------
    limit
        Bytes for each of them.
    slots
        Returns the slots.
    """

    def __init__(self, limit: int, slots: Callable[[], Sequence[Slot]]) -> None:
        self._limit = limit
        self._slots = slots
        self._rest: dict[int, int] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="batchmagic-memory", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(_SECONDS):
            for slot in self._slots():
                pid = slot.pid
                if pid is not None and (used := self._too_much(pid)):
                    slot.end_for_memory(pid, used, self._limit)

    def _too_much(self, pid: int) -> int:
        """Return what the process uses, if that is too much, else 0."""
        below = tree(pid)
        if sum(own_memory(p) for p in below) <= self._limit:
            return 0
        if len(below) > 1:
            # They may share most of it.
            self._rest[pid] = self._rest.get(pid, 0) - 1
            if self._rest[pid] > 0:
                return 0
            self._rest = {pid: int(_CLOSER_LOOK_SECONDS / _SECONDS)}
        used = sum(shared_out_memory(p) for p in below)
        return used if used > self._limit else 0


def tree(pid: int) -> list[int]:
    """Return a process and all processes below it."""
    found = [pid]
    for parent in found:
        found += _children(parent)
    return found


def _children(pid: int) -> Iterable[int]:
    if not _LINUX:
        with contextlib.suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    children: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                children += map(int, (thread / "children").read_bytes().split())
    return children


def own_memory(pid: int) -> int:
    """Return the bytes that a process holds for itself, those that it shares with others included; 0 if it is gone."""
    return _sum(pid, "status", _OWN) or _resident(pid)


def shared_out_memory(pid: int) -> int:
    """Return the bytes that a process holds, what several share being divided among them; 0 if it is gone."""
    return _sum(pid, "smaps_rollup", _SHARE) or own_memory(pid)


def _sum(pid: int, file: str, names: tuple[bytes, ...]) -> int:
    try:
        lines = Path(f"/proc/{pid}/{file}").read_bytes().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(names))


def _resident(pid: int) -> int:
    try:
        return 0 if _LINUX else int(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return 0
