"""Keeps the host of one compute running while it has work. Standard library only, so that little can end it.

Started by `batchmagic.workspace.launch` as ``python -m batchmagic.host.supervisor --workspace DIR --compute NAME``.
Its exit codes: 0, the host left because it was idle or was asked to; 3, another host has the compute;
4, the workspace is not where it was; 1, the host died too often and its jobs were given up.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import json
import math
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from batchmagic import orphans
from batchmagic.workspace import supervisor_record

if TYPE_CHECKING:
    from collections.abc import Sequence

IDLE = 0
"""Exit code of a host that has had nothing to do for long enough."""
CLAIM_HELD = 3
"""Exit code of a host that found another one at its compute."""
MOVED = 4
"""Exit code of a host whose workspace was moved or removed."""
GIVEN_UP = 1

RESTARTS = 3
WINDOW_SECONDS = 600.0
"""A host that dies more than `RESTARTS` times within this time is given up."""

_BACK_OFF_SECONDS = 0.1
_STOP_SECONDS = 30.0
"""How long a host that was asked to end may take."""
AGAIN_SECONDS = 1.0
"""A signal that comes so long after the first one is a second wish to end, and not the same one handed on."""
_GIVE_UP_SECONDS = 60.0
_LOOK_SECONDS = 60.0
_LOG_LIMIT = 8 << 20
_ENDING = {signal.SIGTERM, signal.SIGINT}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the host until it needs no restart, and return the exit code."""
    options = _parse(arguments)
    folder = Path(options.workspace) / "compute" / options.compute
    for part in (folder.parent, folder):
        part.mkdir(mode=0o700, exist_ok=True)  # never the workspace itself, which may have been moved away
    if options.detach and _fork_away(folder):
        return 0
    supervisor_record.write(folder, os.getpid())
    orphans.adopt()
    # A terminal that closes, or a login that ends, takes nothing with it; the host inherits this.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    place = ["--workspace", options.workspace, "--compute", options.compute]
    command = options.command or [sys.executable, "-P", "-m", "batchmagic.host"]
    return supervise([*command, *place], log=HostLog(folder / "host.log"), folder=folder)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="batchmagic.host.supervisor")
    parser.add_argument("--workspace", required=True)
    parser.add_argument("--compute", required=True)
    parser.add_argument(
        "--detach", action="store_true", help="return at once, as a process that is nobody's child"
    )
    parser.add_argument("--command", type=json.loads, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _fork_away(folder: Path) -> bool:
    """Return True in the process that was started, False in the one that goes on in a session of its own."""
    child = os.fork()
    if child:
        # Before it returns to who started it: whoever looks next finds that a host is on its way.
        with contextlib.suppress(ProcessLookupError):
            supervisor_record.write(folder, child)
        return True
    os.setsid()
    return False


def supervise(command: Sequence[str], *, log: HostLog, folder: Path) -> int:
    """Run `command` again and again until it leaves by itself, dies too often, or SIGTERM arrives."""
    deaths: collections.deque[float] = collections.deque()
    place = _place(folder)
    with Signals() as signals:
        while True:
            _note_start(folder, log)
            ended = _run(command, log=log, signals=signals)
            left = orphans.end_adopted()
            if left and _place(folder) == place:
                log.write(f"Ended {left} processes that the host had left behind.")
            if ended.asked:
                return IDLE
            if ended.code == CLAIM_HELD:
                supervisor_record.give_back(folder)
            if ended.code in {IDLE, CLAIM_HELD, MOVED}:
                return ended.code
            if _place(folder) != place:
                return MOVED  # without a word: the log is not where it was
            if died_too_often(deaths, time.monotonic()):
                _give_up(command, log)
                return GIVEN_UP
            log.write(f"The host {ended.how}; it is started again ({len(deaths)} of {RESTARTS}).")
            if signals.wait(_BACK_OFF_SECONDS * len(deaths)) & _ENDING:
                return IDLE
            if _place(folder) != place:
                return MOVED


def _place(folder: Path) -> tuple[int, int] | None:
    """Return what tells the folder from every other one; None if it is not there."""
    try:
        found = folder.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _note_start(folder: Path, log: HostLog) -> None:
    try:
        supervisor_record.write(folder, os.getpid())
    except OSError as error:
        # One host too many may come of it, and leaves by itself; none would be worse.
        log.write(f"The start could not be noted: {error}")


def died_too_often(deaths: collections.deque[float], now: float) -> bool:
    """Add a death at `now` to `deaths`, forget those before the window, and return whether it was one too many."""
    deaths.append(now)
    while deaths[0] < now - WINDOW_SECONDS:
        deaths.popleft()
    return len(deaths) > RESTARTS


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How a host ended; `asked` when it was told to."""

    code: int
    asked: bool = False
    reason: str = ""

    @property
    def how(self) -> str:
        """Say it in words."""
        if self.reason:
            return self.reason
        if self.code >= 0:
            return f"exited with code {self.code}"
        return f"was killed by signal {-self.code}"


def _run(command: Sequence[str], *, log: HostLog, signals: Signals) -> Ended:
    log.rotate()
    try:
        with log.open() as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )
    except OSError as error:
        return Ended(code=127, reason=f"could not be started: {error}")
    asked_at: float | None = None
    kill_at = math.inf
    while (code := process.poll()) is None:
        if signals.wait(min(_LOOK_SECONDS, max(0.0, kill_at - time.monotonic()))) & _ENDING:
            now = time.monotonic()
            if asked_at is None:
                asked_at, kill_at = now, now + _STOP_SECONDS
                process.terminate()
            elif now - asked_at >= AGAIN_SECONDS:
                kill_at = now
        if time.monotonic() >= kill_at:
            process.kill()
            kill_at += _STOP_SECONDS
        log.rotate()
    return Ended(code=code, asked=asked_at is not None)


def _give_up(command: Sequence[str], log: HostLog) -> None:
    """Have the jobs of the compute marked as not responding."""
    log.write(f"The host died {RESTARTS + 1} times within {WINDOW_SECONDS / 60:g} minutes and is given up.")
    try:
        with log.open() as output:
            done = subprocess.run(
                [*command, "--give-up", str(log.path)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_GIVE_UP_SECONDS,
                check=False,
            )
    except (OSError, subprocess.TimeoutExpired) as error:
        log.write(f"The jobs could not be marked: {error}")
    else:
        if done.returncode:
            log.write(f"The jobs could not be marked: exit code {done.returncode}.")


class HostLog:
    """The file that host and supervisor write to; it and one older part are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def open(self) -> BinaryIO:
        """Return the file to write to, readable by the owner only."""
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(descriptor, "wb")

    def write(self, line: str) -> None:
        """Add a line of the supervisor's own, unless the disk is full: no reason to leave the host alone."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        with contextlib.suppress(OSError), self.open() as output:
            output.write(f"{stamp} supervisor[{os.getpid()}]: {line}\n".encode())

    def rotate(self) -> None:
        """Set the content aside when it is long; a host that has the file open goes on in it."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size > _LOG_LIMIT:
                # On a full disk there is no older part.
                with contextlib.suppress(OSError):
                    shutil.copyfile(self.path, self.path.with_name(self.path.name + ".1"))
                os.truncate(self.path, 0)


class Signals:
    """Signals as something to wait for: none is lost between a look and the wait, and waiting costs nothing."""

    def __init__(self) -> None:
        self._readable, self._writable = socket.socketpair()

    def __enter__(self) -> Self:
        for end in (self._readable, self._writable):
            end.setblocking(False)  # noqa: FBT003  # positional only
        signal.set_wakeup_fd(self._writable.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.set_wakeup_fd(-1)
        self._readable.close()
        self._writable.close()

    def wait(self, seconds: float) -> set[int]:
        """Return the signals that came, as soon as one comes and at the latest after `seconds`."""
        ready, _, _ = select.select([self._readable], [], [], seconds)
        return set(self._readable.recv(4096)) if ready else set()


if __name__ == "__main__":
    sys.exit(main())
