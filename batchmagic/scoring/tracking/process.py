"""The tracker as its host sees it: a process that is told what to write, and never waited for."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from batchmagic.compute import marker
from batchmagic.processes import python_command, python_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_MOST_WAITING = 10_000
_LOG_LIMIT = 1 << 20
_HIDDEN = ("MLFLOW_", "DATABRICKS_")
_VARIABLES = {
    "MLFLOW_ALLOW_FILE_STORE": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # The tracker tries again itself, and tells why it has to.
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def unheard(_answer: dict[str, Any]) -> None:
    """Take an answer that nobody waits for any more."""


# A parent-death signal follows the thread that started the process, not its process: this thread lives as long as
# the host does.
_spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tracker-spawner")


class TrackerProcess:
    """One tracker.

    Parameters
    ----------
    folder
        Of the compute, under whose mark it runs and in whose logs its own stands.

    Attributes
    ----------
    hear
        Called with each answer in a thread of its own, at last with ``{"op": "gone"}``.
    """

    def __init__(self, folder: Path) -> None:
        self.hear: Callable[[dict[str, Any]], None] = unheard
        self._line, its_line = socket.socketpair()
        self._lifeline, its_lifeline = socket.socketpair()
        with its_line, its_lifeline:
            try:
                self._process = _spawner.submit(_spawn, folder, its_line, its_lifeline).result()
            except OSError:
                self._line.close()
                self._lifeline.close()
                raise
        self._waiting: queue.Queue[bytes | None] = queue.Queue(_MOST_WAITING)
        for work in (self._write, self._read):
            threading.Thread(target=work, name=f"tracker{work.__name__}", daemon=True).start()

    @property
    def is_alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def tell(self, message: Mapping[str, Any]) -> bool:
        """Let the tracker have a message; False if too many wait already, as for a process that was stopped."""
        try:
            self._waiting.put_nowait(json.dumps(message).encode() + b"\n")
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """End the process; it is gone then."""
        self.hear = unheard
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)

    def _write(self) -> None:
        with self._line, contextlib.suppress(OSError):  # its end is told by the other thread
            while (line := self._waiting.get()) is not None:
                self._line.sendall(line)

    def _read(self) -> None:
        with self._line.makefile("rb") as lines, contextlib.suppress(OSError, ValueError):
            for line in lines:
                self.hear(json.loads(line))
        self._process.kill()
        self._process.wait()
        self._lifeline.close()
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(None)
        self.hear({"op": "gone"})


def _spawn(folder: Path, line: socket.socket, lifeline: socket.socket) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in python_environment().items() if not name.startswith(_HIDDEN)}
    options = {"parent": os.getpid(), "line": line.fileno(), "lifeline": lifeline.fileno()}
    log = folder / "logs" / "tracker.txt"
    log.parent.mkdir(mode=0o700, exist_ok=True)
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    with log.open("ab") as file:
        return subprocess.Popen(
            python_command("batchmagic.scoring.tracking.main", *(f"--{k}={v}" for k, v in options.items())),
            env=inherited | _VARIABLES | {marker.VARIABLE: marker.marker(folder)},
            pass_fds=[line.fileno(), lifeline.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd="/",
            start_new_session=True,
        )
