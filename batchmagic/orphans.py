"""Processes whose parents were killed: adopted, and ended. Standard library only.

Supervisor, host and worker each adopt what is orphaned below them (Linux), so that a process that left its group and
session is still somebody's child when the template that watched over it was killed. Each ends what it adopted: what
still has a purpose is never orphaned.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PR_SET_CHILD_SUBREAPER = 36
_PAUSE = 0.005

_turn = threading.Lock()
_adopting = threading.Event()


def adopt() -> None:
    """Be the parent, from now on, of every process below this one whose own parent ends (Linux)."""
    if sys.platform != "linux":
        return
    import ctypes  # noqa: PLC0415  # not needed elsewhere

    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0:
        _adopting.set()


def end_adopted(known: Collection[int] = (), *, seconds: float = 5.0) -> int:
    """Kill what was adopted and all below it, and return how many processes that were; none is left then.

    Parameters
    ----------
    known
        Children that the main thread has started itself. Those of other threads are told apart by the system.
    seconds
        When to give up on processes that not even a kill ends.
    """
    if not _adopting.is_set():
        return 0
    ended: set[int] = set()
    deadline = time.monotonic() + seconds
    # One at a time: a number that another thread has collected may be somebody else's.
    with _turn:
        while (adopted := _children() - set(known)) and time.monotonic() < deadline:
            for pid in adopted:
                # A child keeps its number until it is collected, which happens here only.
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                if _collect(pid):
                    ended.add(pid)
            time.sleep(_PAUSE)
    return len(ended)


def _children() -> set[int]:
    """Return the children of the main thread, which is the one that adopts."""
    me = os.getpid()
    try:
        return set(map(int, Path(f"/proc/{me}/task/{me}/children").read_text(encoding="ascii").split()))
    except OSError:
        return set()


def _collect(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True
