"""The process of one instance, as its host sees it: started, watched, ended with all that it started."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from distributed.deploy.spec import ProcessInterface

from batchmagic import orphans
from batchmagic.compute import marker
from batchmagic.compute.tuning import WORKER_VARIABLES
from batchmagic.processes import python_command, python_environment

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchmagic.compute.first import FirstAct
    from batchmagic.compute.tls import Credentials
    from batchmagic.processes import PackageCopy

CLOSE_GRACE = 1.0
"""Seconds in which a worker that is asked to end may do so by itself."""
_EXIT_SEEN = 0.05
"""Seconds by which the loss of a connection may be noticed before the exit that caused it."""
_REAP = 2.0
_LOG_LIMIT = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """What all workers of one compute are started with."""

    nthreads: int
    credentials: Credentials
    logs: Path
    scratch: Path
    on_started: Callable[[WorkerProcess], None]
    on_gone: Callable[[WorkerProcess], None]
    """Called in the loop's thread when the process has closed its end of the lifeline."""
    first: Callable[[], FirstAct | None]
    """What a worker that is started now does before it imports Dask."""
    marker: str
    """What is in the environment of all that is started."""
    package: PackageCopy
    """Where workers find this package: a copy, so that those that start after an upgrade are like their host."""


class WorkerProcess(ProcessInterface):  # type: ignore[misc]
    """One worker process; made by `SpecCluster` from its specification.

    The processes are started by the thread of the event loop, which lives as long as the cluster:
    the parent-death signal of Linux follows the thread that started a process. The lifeline is a
    socket pair of which each side holds one end, so that both notice at once that the other is gone.
    """

    def __init__(self, scheduler: str, *, name: str, launch: Launch) -> None:
        super().__init__()
        self.name = name
        self.scheduler = scheduler
        self.launch = launch
        self.left = False
        self.closing = False
        self.retired: bool | None = None
        self.detail = ""
        self.code: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: socket.socket | None = None
        self._cwd: str | None = None
        self._eof = asyncio.Event()
        self._ending: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        """The process id; 0 when it could not be started."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> Path:
        """The file that the process's output goes to."""
        return self.launch.logs / f"{self.name}.txt"

    async def start(self) -> None:
        """Start the process; that it could not be started is told like an early end of it."""
        self.launch.on_started(self)
        try:
            self._spawn()
        except OSError as error:
            self.detail = f"could not be started: {error}"
            asyncio.get_running_loop().call_soon(self._lifeline_closed)
        await super().start()

    async def close(self) -> None:
        """Ask the process to end, then see to it; returns when it and its children are gone."""
        await self.end(grace=CLOSE_GRACE)
        await super().close()

    async def end(self, *, grace: float, patience: float | None = None) -> None:
        """End the process with its children; `detail` and `code` then say how it ended. Only the first call counts.

        Parameters
        ----------
        grace
            Seconds to end by itself for one that is asked to; 0 to ask nothing.
        patience
            Seconds to wait for one that is not asked; None for a moment.
        """
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end(grace, patience or _EXIT_SEEN))
        await asyncio.shield(self._ending)

    def kill(self) -> None:
        """Kill the process and its group at once, from any thread; for when the loop does not answer."""
        if self._process is not None and self._process.returncode is None:
            _kill_group(self._process.pid)
            self._process.wait(_REAP)

    def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as after, ExitStack() as undo:
            undo.callback(ours.close)
            self._cwd = tempfile.mkdtemp(prefix=f"{self.name}-", dir=self.launch.scratch)
            with os.fdopen(_open_log(self.log), "ab") as log:
                act = self.launch.first()
                first = None if act is None else act.written()
                handed = [theirs.fileno()]
                if first is not None:
                    after.callback(os.close, first)
                    handed.append(first)
                self._process = subprocess.Popen(
                    self._command(theirs.fileno(), first),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=self._cwd,
                    env=self._variables(),
                    pass_fds=handed,
                    start_new_session=True,
                )
            undo.pop_all()
        self._lifeline = ours
        asyncio.get_running_loop().add_reader(ours.fileno(), self._lifeline_closed)

    def _variables(self) -> dict[str, str]:
        return (
            python_environment(self.launch.package.root())
            | WORKER_VARIABLES
            | self.launch.credentials.worker_variables()
            | {marker.VARIABLE: self.launch.marker}
        )

    def _command(self, lifeline: int, first: int | None) -> list[str]:
        options = {
            "scheduler": self.scheduler,
            "name": self.name,
            "nthreads": self.launch.nthreads,
            "parent": os.getpid(),
            "lifeline": lifeline,
            **({} if first is None else {"first": first}),
        }
        return python_command("batchmagic.compute.worker", *(f"--{k}={v}" for k, v in options.items()))

    def _lifeline_closed(self) -> None:
        """Nothing is ever sent on the lifeline: readable means closed."""
        self._drop_lifeline()
        self._eof.set()
        self.launch.on_gone(self)

    def _drop_lifeline(self) -> None:
        if self._lifeline is not None:
            asyncio.get_running_loop().remove_reader(self._lifeline.fileno())
            self._lifeline.close()
            self._lifeline = None

    async def _end(self, grace: float, patience: float) -> None:
        process = self._process
        if process is not None:
            found = self._children()
            if grace and not self._eof.is_set():
                process.terminate()
            survived = not await self._gone_within(grace or patience)
            found |= self._children()
            # It is not reaped yet, thus its number still means it and its group.
            _kill_group(process.pid)
            self.code = await asyncio.to_thread(process.wait, _REAP)
            self.detail = self.detail or ("connection lost" if survived else _how_it_ended(self.code))
            _kill_all(found)
            # What has left its parents; only a worker that died has orphans, and no worker is one.
            await asyncio.to_thread(orphans.end_adopted)
        self._drop_lifeline()
        self._eof.set()
        if self._cwd:
            shutil.rmtree(self._cwd, ignore_errors=True)
        self.launch.on_gone(self)

    def _children(self) -> set[psutil.Process]:
        """Return all processes below a living one; those of a dead one are somebody else's in the system's eyes."""
        if self._eof.is_set():
            return set()
        try:
            return set(psutil.Process(self.pid).children(recursive=True))
        except psutil.Error:
            return set()

    async def _gone_within(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._eof.wait(), seconds)
        except TimeoutError:
            return False
        return True


def _open_log(file: Path) -> int:
    if file.exists() and file.stat().st_size > _LOG_LIMIT:
        file.replace(file.with_name(file.name + ".1"))
    return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"exited with code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # all of it is gone
    except PermissionError:
        pass  # macOS says this of a group in which only dead ones are left


def _kill_all(found: set[psutil.Process]) -> None:
    for process in found:
        try:
            process.kill()  # psutil looks at the start time first: never another process of that number
        except psutil.NoSuchProcess:
            continue
