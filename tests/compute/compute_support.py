"""Looking at a compute and at processes from outside."""

from __future__ import annotations

import queue
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from batchmagic.compute.interface import InstanceJoined, InstanceLeft

if TYPE_CHECKING:
    from batchmagic.compute.local import LocalInstances


class Events:
    """What a compute told, to be waited for."""

    def __init__(self, compute: LocalInstances) -> None:
        self._queue: queue.SimpleQueue[InstanceJoined | InstanceLeft] = queue.SimpleQueue()
        compute.watch(self._queue.put)

    def next(self, *, timeout: float = 20) -> InstanceJoined | InstanceLeft:
        return self._queue.get(timeout=timeout)

    def next_left(self, *, timeout: float = 20) -> InstanceLeft:
        event = self.next(timeout=timeout)
        while not isinstance(event, InstanceLeft):
            event = self.next(timeout=timeout)
        return event

    def is_empty(self) -> bool:
        return self._queue.empty()


BEFORE: set[psutil.Process] = set()
"""What other tests have left running below this process when the test began; filled by a fixture."""


def tree() -> list[psutil.Process]:
    """All processes below this one that the test has started."""
    return [p for p in psutil.Process().children(recursive=True) if p not in BEFORE]


def wait_until_gone(pids: list[int], *, timeout: float) -> list[int]:
    """Return which of `pids` still run after `timeout` at the latest; a zombie does not run."""
    processes = []
    for pid in pids:
        try:
            processes.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(processes, timeout=timeout)
    return [p.pid for p in alive if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


def listening(pids: list[int]) -> list[str]:
    """The addresses on which the processes listen, by Linux's own tables."""
    inodes = {inode for pid in pids for inode in _socket_inodes(pid)}
    found = []
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                found.append(_address(fields[1].partition(":")[0], family))
    return found


def _socket_inodes(pid: int) -> set[str]:
    links = []
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(descriptor.readlink()))
        except FileNotFoundError:
            continue
    return {link[8:-1] for link in links if link.startswith("socket:[")}


def _address(text: str, family: int) -> str:
    words = [bytes.fromhex(text[i : i + 8])[::-1] for i in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(words))
