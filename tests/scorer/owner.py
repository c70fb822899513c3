"""Drives a real template over real sockets, as the worker does."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.scoring.child.frames import Frame, FrameReader, send

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SCORER = Path(__file__).parents[2] / "batchmagic" / "scoring" / "scorer.py"
PATIENCE = 60.0


class Process:
    """One scoring process, seen from its owner."""

    def __init__(self, data: socket.socket, watch: socket.socket, folder: Path) -> None:
        self.data, self.watch, self.folder = data, watch, folder
        self.data_reader, self.watch_reader = FrameReader(data), FrameReader(watch)
        self.pid = 0

    def close(self) -> None:
        self.data.close()
        self.watch.close()

    def read(self, patience: float = PATIENCE) -> Frame | None:
        return self.data_reader.read(time.monotonic() + patience)

    def header(self) -> dict[str, Any]:
        frame = self.read()
        assert frame is not None, self.text("stderr")
        return frame.header

    def report(self, patience: float = PATIENCE) -> dict[str, Any]:
        """Return the next frame of the watch socket."""
        frame = self.watch_reader.read(time.monotonic() + patience)
        assert frame is not None
        return frame.header

    def lease(self, *members: Sequence[str], budget: float = 60.0, max_bytes: int = 1 << 23) -> None:
        numbered = [[i, 0, list(files)] for i, files in enumerate(members)]
        send(self.data, {"op": "lease", "members": numbered, "budget": budget, "max_bytes": max_bytes})

    def score(self, *members: Sequence[str], **limits: Any) -> list[Frame]:
        """Lease, and return every frame but the last, which says how many there were."""
        self.lease(*members, **limits)
        frames = []
        while True:
            frame = self.read()
            assert frame is not None, self.text("stderr")
            if frame.header["op"] == "end":
                assert frame.header["done"] == len(frames)
                return frames
            assert frame.header["k"] == len(frames)
            frames.append(frame)

    def one(self, *files: str) -> Frame:
        (frame,) = self.score(files)
        return frame

    def ask(self, op: str) -> None:
        send(self.watch, {"op": op})

    def exit(self, patience: float = PATIENCE) -> int:
        """Return the wait status, once the template has told it."""
        found = self.report(patience)
        assert found["op"] == "exit", found
        assert found["maxrss"] > 0
        return int(found["status"])

    def shutdown(self) -> int:
        send(self.data, {"op": "shutdown"})
        return self.exit()

    def text(self, name: str) -> str:
        path = self.folder / name
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


class Owner:
    """A template and its processes."""

    def __init__(
        self, folder: Path, *, python: str = sys.executable, env: dict[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._count = 0
        self._processes: list[Process] = []
        self.control, theirs = socket.socketpair()
        self.reader = FrameReader(self.control)
        variables = {"PATH": os.environ["PATH"], "HOME": str(folder), "OMP_NUM_THREADS": "1", **(env or {})}
        self.template = subprocess.Popen(
            [python, str(SCORER), "template", str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            env=variables,
            cwd=folder,
        )
        theirs.close()

    def prepare(self, *modules: str) -> dict[str, Any]:
        send(self.control, {"op": "prepare", "preload": list(modules)})
        frame = self.reader.read(time.monotonic() + PATIENCE)
        assert frame is not None
        return frame.header

    def spec(self, script: str | Path | None = None, **changes: Any) -> dict[str, Any]:
        folder = self.folder / f"process{self._count:03}"
        folder.mkdir()
        if script is not None and not isinstance(script, Path):
            code = folder / "code"
            code.mkdir()
            (code / "score.py").write_text(script, encoding="utf-8")
            script = code / "score.py"
        return {
            "script": str(script) if script else None,
            "code_dir": str(script.parent) if script else None,
            "mlflow_model": None,
            "env": {},
            "argv": [str(script or "")],
            "cwd": str(folder / "cwd"),
            "stdout": str(folder / "stdout"),
            "stderr": str(folder / "stderr"),
            "entry_log": str(folder / "logs" / "entry"),
            "dump_file": str(folder / "dump"),
            "output_format": "csv",
            "output_action": "append_row",
            "input_root": str(self.folder),
            "logging_level": "info",
            "agent_name": "process000",
            "output_dir": str(folder),
            "spawn": False,
            **changes,
        }

    def start(self, script: str | Path | None = None, **changes: Any) -> Process:
        """Start a scoring process and return it, its init not awaited."""
        spec = self.spec(script, **changes)
        folder = self.folder / f"process{self._count:03}"
        self._count += 1
        data, their_data = socket.socketpair()
        watch, their_watch = socket.socketpair()
        fds = (their_data.fileno(), their_watch.fileno())
        send(self.control, {"op": "start", "id": self._count, "spec": spec}, fds=fds)
        their_data.close()
        their_watch.close()
        process = Process(data, watch, folder)
        self._processes.append(process)
        started = process.report()
        assert started["op"] == "started", started
        process.pid = started["pid"]
        return process

    def ready(self, script: str | Path | None = None, **changes: Any) -> Process:
        """Start a scoring process and await its init."""
        process = self.start(script, **changes)
        header = process.header()
        assert header["op"] == "init", header
        assert header["ok"], header
        return process

    def close(self) -> None:
        """End everything; the template must go by itself and leave nothing behind."""
        self.control.close()
        try:
            assert self.template.wait(10) in {0, -signal.SIGKILL, -signal.SIGTERM}
        finally:
            if self.template.poll() is None:
                self.template.kill()
                self.template.wait()
            for process in self._processes:
                process.close()
        assert gone_within(1.0, *(process.pid for process in self._processes))


@contextlib.contextmanager
def owner(folder: Path, **options: Any) -> Iterator[Owner]:
    made = Owner(folder, **options)
    try:
        yield made
    finally:
        made.close()


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def gone_within(seconds: float, *pids: int) -> bool:
    """Whether all processes have ended before `seconds` are over."""
    deadline = time.monotonic() + seconds
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True
