"""From a fork of the template to a process of its own: session, descriptors, streams, variables, randomness."""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import os
import random
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING, Any

from . import process, streams

if TYPE_CHECKING:
    from types import ModuleType

_LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def take_socket(data_fd: int) -> socket.socket:
    """Return the data socket, on a descriptor that no program of the user's inherits or hits by chance."""
    return socket.socket(fileno=process.high_descriptor(data_fd))


def leave_parent(parent: int) -> None:
    """Lead a session and group of one's own, and die with the template."""
    with contextlib.suppress(PermissionError):
        os.setsid()
    process.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
    process.adopt_orphans()
    process.prefer_as_oom_victim()
    process.leave_no_core()
    for number in (signal.SIGCHLD, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def redirect(spec: dict[str, Any], data: socket.socket) -> None:
    """Have the spec's files as standard streams and no descriptor but those, the data socket and the dump file."""
    dump_fd = process.high_descriptor(_append(spec["dump_file"])) if spec.get("dump_file") else None
    null = os.open(os.devnull, os.O_RDONLY)
    files = (null, _append(spec["stdout"]), _append(spec["stderr"]))
    for target, fd in enumerate(files):
        os.dup2(fd, target)
    process.close_descriptors({0, 1, 2, data.fileno()} | ({dump_fd} if dump_fd is not None else set()))
    sys.stdin = sys.__stdin__ = open(0, encoding="utf-8", closefd=False)  # type: ignore[misc]  # noqa: SIM115
    streams.install(("stdout", 1), ("stderr", 2))
    if dump_fd is not None:
        # Both write in C, also while other C code holds the interpreter lock.
        faulthandler.enable(dump_fd)
        faulthandler.register(process.DUMP_SIGNAL, dump_fd, all_threads=True)


def _append(path: str) -> int:
    make_folder(os.path.dirname(path))
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    # Must not be one of the numbers that the standard streams are about to take.
    return fd if fd > 2 else _above_standard(fd)  # noqa: PLR2004


def _above_standard(fd: int) -> int:
    import fcntl

    high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return high


def set_surroundings(spec: dict[str, Any]) -> None:
    """Apply the spec's variables, arguments, working directory and logging level."""
    for name, value in (spec.get("env") or {}).items():
        os.environ[name] = value
    if spec.get("tmp"):
        os.makedirs(spec["tmp"], mode=0o700, exist_ok=True)
        os.environ["TMPDIR"] = spec["tmp"]
    if "TZ" in (spec.get("env") or {}):
        time.tzset()
    tempfile = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # type: ignore[attr-defined]
    sys.argv = list(spec.get("argv") or [spec.get("script") or ""])
    make_folder(spec["cwd"])
    os.chdir(spec["cwd"])
    _log_to_stdout(spec.get("logging_level") or "info")


def make_folder(path: str) -> None:
    """Have a private folder at `path`; the one above it is there, or the workspace was moved and is not begun anew."""
    if not os.path.isdir(path):
        os.mkdir(path, 0o700)


def level_of(name: str) -> int:
    """Return the number of a logging level; INFO for a name that is none."""
    number = logging.getLevelName(name.upper())
    return number if isinstance(number, int) else logging.INFO


def _log_to_stdout(level: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter(_LOG_FORMAT))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(level_of(level))


def forget_main() -> None:
    """Put an empty ``__main__`` in the place of ours, as what user code forks or unpickles looks there."""
    main: ModuleType = type(sys)("__main__")
    sys.modules["__main__"] = main


def reseed() -> None:
    """Give every generator that the template imported numbers of its own."""
    random.seed()
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(int.from_bytes(os.urandom(7), "big"))
