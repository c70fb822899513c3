"""What every process of a compute carries in its environment, so that one that nobody watches any more is found.

A parent that is killed takes its processes with it. Where all who would see to that were killed or stopped, or the
system has no such means, the next host of the compute ends what is left.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VARIABLE = "BATCHMAGIC_COMPUTE"


def marker(folder: Path) -> str:
    """Return the marker of what this process starts for the compute in `folder`."""
    me = psutil.Process()
    return f"{folder}:{me.pid}:{me.create_time()}"


def inherited() -> dict[str, str]:
    """Return the variable as this process has it, for a process that gets a new environment."""
    return {VARIABLE: os.environ[VARIABLE]} if VARIABLE in os.environ else {}


def end_strays(folder: Path) -> int:
    """Kill what earlier hosts of the compute in `folder` have left on this machine; return how many those were.

    Only for a process that has the compute's claim and has started nothing yet.
    """
    ended = 0
    for process in _marked(f"{folder}:"):
        try:
            process.kill()  # psutil looks at the start time first: never another process of that number
        except psutil.NoSuchProcess:
            continue
        ended += 1
    return ended


def _marked(beginning: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.pid != os.getpid() and process.environ().get(VARIABLE, "").startswith(beginning):
                yield process
        except (psutil.Error, OSError):
            continue  # it has ended, or is another user's
