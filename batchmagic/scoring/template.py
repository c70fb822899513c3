"""The owner's side of a template: the process that imports once and from which scoring processes are forked."""

from __future__ import annotations

import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.errors import ComputeError
from batchmagic.scoring.channel import Channel
from batchmagic.scoring.child.frames import FrameError, FrameReader, send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SCORER = Path(__file__).with_name("scorer.py")
_STOP_SECONDS = 2.0

# A parent-death signal follows the thread that started the process, not its process: this thread
# lives as long as the worker does.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchmagic-spawner")


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
        self._control = mine
        send(mine, {"op": "prepare", "preload": self._preload})

    def _spawn(self, descriptor: int) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [*self._command, str(descriptor)],
                env=self._variables,
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
                answer = FrameReader(control).read()
            except (OSError, FrameError) as error:
                raise self._gone() from error
            if answer is None:
                raise self._gone()
            self._ready = True
        return control

    def _gone(self) -> ComputeError:
        code = self._process.poll() if self._process else None
        tail = self._log.read_text(errors="replace")[-2000:].strip() if self._log.exists() else ""
        return ComputeError(f"The template process of {self._command[0]} ended with {code}: {tail}")
