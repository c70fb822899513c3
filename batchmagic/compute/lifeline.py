"""A process that dies with the one that started it, whatever kills that one. Standard library only."""

from __future__ import annotations

import os
import signal
import sys
import threading

_PR_SET_PDEATHSIG = 1


def die_with_parent(*, parent: int, lifeline: int) -> None:
    """End this process and its process group as soon as `parent` is gone.

    Two means, of which each is enough: a watch on `lifeline`, whose other end only the parent
    holds, and Linux's parent-death signal.

    Parameters
    ----------
    parent
        The process id of the parent as the parent itself knows it.
    lifeline
        An inherited descriptor that reads end-of-file when the parent is gone.

    Notes
    -----
    Linux sends its signal when the *thread* ends that started this process.
    """
    os.set_inheritable(lifeline, False)  # noqa: FBT003  # positional only
    threading.Thread(target=_watch, args=(lifeline,), name="lifeline", daemon=True).start()
    if sys.platform == "linux":
        _ask_for_death_signal()
    if os.getppid() != parent:
        _end_group()  # it was gone before anything above was in place


def _watch(lifeline: int) -> None:
    while True:
        try:
            if not os.read(lifeline, 1):
                break
        except OSError:
            break
    _end_group()


def _ask_for_death_signal() -> None:
    import ctypes  # noqa: PLC0415  # not needed elsewhere

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


def _end_group() -> None:
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
