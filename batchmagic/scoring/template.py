"""The owner's side of a template: the process that imports once and from which scoring processes are forked."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from batchmagic import orphans
from batchmagic.compute import marker
from batchmagic.errors import ComputeError
from batchmagic.scoring.channel import Channel
from batchmagic.scoring.child.frames import FrameError, FrameReader, FrameTimeout, send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchmagic.scoring.child.frames import Frame

SCORER = Path(__file__).with_name("scorer.py")
_STOP_SECONDS = 2.0
_LOG_LIMIT = 1 << 20
_LOOK_SECONDS = 10.0

# A parent-death signal follows the thread that started the process, not its process: this thread
# lives as long as the worker does.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchmagic-spawner")


def _see_off(process: subprocess.Popen[bytes]) -> None:
    """Wait for the end of a template; one that was killed could not end what user code had detached."""
    process.wait()
    orphans.end_adopted()


class Template:
    """One template process of one deployment on one worker.

    Parameters
    ----------
    interpreter
        The deployment's Python.
    variables
        All environment variables of its scoring processes that do not differ between them.
    preload
        Modules to import.
    log
        File for what the template itself prints.
    """

    def __init__(
        self, interpreter: str, variables: Mapping[str, str], preload: Sequence[str], log: Path
    ) -> None:
        self._command = [interpreter, str(SCORER), "template"]
        self._variables = dict(variables)
        self._preload = list(preload)
        self._log = log
        self._turn = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0
        self._ready = False

    def start(self) -> None:
        """Start the process; it imports while others go on.

        Raises
        ------
        ComputeError
            If the interpreter cannot be started.
        """
        self._ready = False
        mine, its = socket.socketpair()
        try:
            self._process = _spawner.submit(self._spawn, its.fileno()).result()
        except OSError as error:
            mine.close()
            raise ComputeError(f"{self._command[0]} cannot be started: {error}.") from error
        finally:
            its.close()
        threading.Thread(target=_see_off, args=(self._process,), name="template-end", daemon=True).start()
        self._control = mine
        send(mine, {"op": "prepare", "preload": self._preload})

    def _spawn(self, descriptor: int) -> subprocess.Popen[bytes]:
        with contextlib.suppress(FileNotFoundError):
            if self._log.stat().st_size > _LOG_LIMIT:
                self._log.replace(self._log.with_name(self._log.name + ".1"))
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*self._command, str(descriptor)],
                env=self._variables | marker.inherited(),
                pass_fds=[descriptor],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
            )

    def start_child(self, spec: Mapping[str, Any]) -> Channel:
        """Return the channel of a new scoring process, which is then on its way to ``init()``.

        Raises
        ------
        ComputeError
            If the template is gone.
        """
        with self._turn:
            control = self._wait_ready()
            data, its_data = socket.socketpair()
            watch, its_watch = socket.socketpair()
            self._count += 1
            header = {"op": "start", "id": self._count, "spec": dict(spec)}
            try:
                send(control, header, fds=[its_data.fileno(), its_watch.fileno()])
            except OSError as error:
                data.close()
                watch.close()
                raise self._gone() from error
            finally:
                its_data.close()
                its_watch.close()
            return Channel(data, watch)

    def close(self) -> None:
        """End the template and every scoring process that it forked."""
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process is not None and self._process.poll() is None

    def _wait_ready(self) -> socket.socket:
        if self._control is None:
            self.start()
        control = self._control
        assert control is not None  # noqa: S101 -- start() sets it or raises
        if not self._ready:
            try:
                answer = self._first_word(FrameReader(control))
            except (OSError, FrameError) as error:
                raise self._gone() from error
            if answer is None:
                raise self._gone()
            self._ready = True
        return control

    def _first_word(self, reader: FrameReader) -> Frame | None:
        """Return what the template says once it has imported; one that somebody has stopped is ended."""
        while True:
            try:
                return reader.read(time.monotonic() + _LOOK_SECONDS)
            except FrameTimeout:
                self.end_if_stopped()

    def end_if_stopped(self) -> bool:
        """End the template if it was stopped (SIGSTOP) and thus obeys nobody; return whether that was so."""
        process = self._process
        if process is None:
            return False
        try:
            status = psutil.Process(process.pid).status()
        except psutil.Error:
            return False
        stopped = status in {psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP}
        if stopped:
            process.kill()
        return stopped

    def _gone(self) -> ComputeError:
        code = None
        if self._process is not None:
            # It has hung up, so it ends; whoever starts it again must not find it still there.
            try:
                code = self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                code = self._process.wait()
        tail = self._log.read_text(errors="replace")[-2000:].strip() if self._log.exists() else ""
        return ComputeError(f"The template process of {self._command[0]} ended with {code}: {tail}")
