"""What a scoring process asks of the operating system; what only Linux has is left out elsewhere."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OOM_SCORE = 500

#: Makes a scoring process write its traceback, whatever it is doing. Chosen so that user code hardly wants it.
DUMP_SIGNAL: int = signal.SIGRTMAX - 3 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2


def _prctl(option: int, value: int) -> None:
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def die_with_parent(signal_number: int) -> None:
    """Have the kernel send `signal_number` when the thread that started this process ends (Linux)."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def adopt_orphans() -> None:
    """Become the parent of descendants whose parents end (Linux), so that none escapes by detaching."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def prefer_as_oom_victim() -> None:
    """Have the kernel kill this process rather than its owner when memory is short (Linux)."""
    with contextlib.suppress(OSError, ValueError):
        with open("/proc/self/oom_score_adj", encoding="ascii") as file:
            current = int(file.read())
        if current < _OOM_SCORE:
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write(str(_OOM_SCORE))


def leave_no_core() -> None:
    """Have a crash leave no core file: thousands of them in the working directory would fill the disk."""
    import resource

    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def child_pids() -> list[int]:
    """Return the children of this process, as far as the system tells."""
    me = os.getpid()
    try:
        with open(f"/proc/{me}/task/{me}/children", encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]
    except (OSError, ValueError):
        return []


def thread_count() -> int:
    """Return the number of threads of this process, C threads included where the system tells."""
    with contextlib.suppress(OSError):
        return len(os.listdir("/proc/self/task"))
    import threading

    return threading.active_count()


def close_descriptors(keep: set[int]) -> None:
    """Close every file descriptor but those in `keep`."""
    for fd in _open_descriptors():
        if fd not in keep:
            with contextlib.suppress(OSError):
                os.close(fd)


def _open_descriptors() -> list[int]:
    for folder in ("/proc/self/fd", "/dev/fd"):
        with contextlib.suppress(OSError, ValueError):
            return [int(name) for name in os.listdir(folder)]
    return list(range(4096))


def high_descriptor(fd: int) -> int:
    """Return a duplicate of `fd` where programs that close "all" descriptors do not look, and close `fd`."""
    import fcntl
    import resource

    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if soft == resource.RLIM_INFINITY or soft > 1 << 13:
        soft = 1 << 13
    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, max(10, soft - 32))
    os.close(fd)
    return high


def kill_group(pid: int, *, leader: bool = True) -> None:
    """Kill the group of a process, which need not exist any more, and its leader unless told otherwise.

    The leader is named too, because it may not have come to making its group yet.
    """
    for kill in (os.killpg, os.kill) if leader else (os.killpg,):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def kibibytes(maxrss: int) -> int:
    """Return a ``ru_maxrss`` in KiB, whatever this system counts in."""
    return maxrss // 1024 if sys.platform == "darwin" else maxrss
