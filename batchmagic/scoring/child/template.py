"""The template: imports once, then forks scoring processes, reports how they end and kills their groups.

It never runs user code, loads no model and starts no thread. One thread of the owner starts it, talks
to it and outlives it. It ends with the owner: by the end of the control socket, by the signal that the
kernel sends when the owner dies, and takes every group that it started with it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from typing import TYPE_CHECKING, Any, NoReturn

from . import process, serve
from .frames import Frame, FrameError, FrameReader, send

if TYPE_CHECKING:
    from types import FrameType

_PATIENCE = 5.0


class Child:
    """A scoring process that was started and not reaped yet."""

    def __init__(self, pid: int, watch: socket.socket, popen: subprocess.Popen[bytes] | None) -> None:
        self.pid = pid
        self.watch: socket.socket | None = watch
        self.reader = FrameReader(watch)
        self.popen = popen

    def close(self) -> None:
        """Kill the group and forget the owner. Only for a process that is not reaped yet."""
        process.kill_group(self.pid)
        self.hang_up()

    def hang_up(self) -> None:
        """Close the watch socket."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None


class Template:
    """The loop. `control` is the owner's end of everything; `scorer` the file to spawn from."""

    def __init__(self, control: socket.socket, scorer: str) -> None:
        self._control = control
        self._reader = FrameReader(control, fds=True)
        self._scorer = scorer
        self._children: dict[int, Child] = {}
        self._stopping = False
        self._wake_read, self._wake_write = socket.socketpair()
        for end in (self._wake_read, self._wake_write):
            end.setblocking(False)  # noqa: FBT003

    def run(self) -> None:
        """Serve until the owner is gone; then no process that was started here is left."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Inherited by a scoring process until it can answer.
        signal.signal(process.DUMP_SIGNAL, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, self._note)
        signal.set_wakeup_fd(self._wake_write.fileno(), warn_on_full_buffer=False)
        try:
            while not self._stopping:
                self._turn()
        finally:
            self._end()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            self._stopping = True

    def _turn(self) -> None:
        self._reap()
        poller = select.poll()
        poller.register(self._control, select.POLLIN)
        poller.register(self._wake_read, select.POLLIN)
        watching = {c.watch.fileno(): c for c in self._children.values() if c.watch is not None}
        for fd in watching:
            poller.register(fd, select.POLLIN)
        for fd, _event in poller.poll():
            if fd in watching:
                self._obey(watching[fd])
            elif fd == self._control.fileno():
                self._serve()
            else:
                self._wake_read.recv(1024)

    def _serve(self) -> None:
        while not self._stopping:
            frame = _read(self._reader)
            if frame is None:
                self._stopping = True
            elif frame.header.get("op") == "prepare":
                self._prepare(frame.header)
            elif frame.header.get("op") == "start":
                self._start(frame)
            if not self._reader.buffered:
                return

    def _obey(self, child: Child) -> None:
        """Do what the owner says on a watch socket."""
        while child.watch is not None:
            frame = _read(child.reader)
            if frame is None:
                child.close()
            elif frame.header.get("op") == "kill":
                process.kill_group(child.pid)
            elif frame.header.get("op") == "dump":
                _signal(child.pid, process.DUMP_SIGNAL)
            if not child.reader.buffered:
                return

    def _prepare(self, header: dict[str, Any]) -> None:
        imports = {name: _import(name) for name in header.get("preload", ())}
        gc.collect()
        gc.freeze()
        # Until now the default action ended us even inside an import; from now on there may be groups to kill.
        signal.signal(signal.SIGTERM, self._note)
        ready = {
            "op": "ready",
            "python": ".".join(map(str, sys.version_info[:3])),
            "executable": sys.executable,
            "imports": imports,
            "threads": process.thread_count(),
        }
        self._stopping = self._stopping or not _tell(self._control, ready)

    def _start(self, frame: Frame) -> None:
        data_fd, watch_fd = frame.fds
        watch = socket.socket(fileno=watch_fd)
        spec = frame.header["spec"]
        spawn = bool(spec.get("spawn")) or sys.platform == "darwin"
        try:
            pid, popen = self._spawn(spec, data_fd) if spawn else (self._fork(spec, data_fd, watch), None)
        except OSError as error:
            _tell(watch, {"op": "failed", "message": str(error)})
            watch.close()
            return
        finally:
            os.close(data_fd)
        child = self._children[pid] = Child(pid, watch, popen)
        if not _tell(watch, {"op": "started", "pid": pid}):
            child.close()

    def _fork(self, spec: dict[str, Any], data_fd: int, watch: socket.socket) -> int:
        parent = os.getpid()
        sys.stdout.flush()
        sys.stderr.flush()
        with warnings.catch_warnings():
            # Newer Pythons warn of forks with threads; `ready` told the owner how many there are.
            warnings.simplefilter("ignore")
            pid = os.fork()
        if pid:
            return pid
        return self._become_child(spec, data_fd, watch, parent)

    def _become_child(
        self, spec: dict[str, Any], data_fd: int, watch: socket.socket, parent: int
    ) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            # Only detached: closing is for whoever counts descriptors, and a number may be somebody else's by then.
            for sock in (self._control, self._wake_read, self._wake_write, watch):
                sock.detach()
            for child in self._children.values():
                if child.watch is not None:
                    child.watch.detach()
            serve.main(spec, data_fd, parent)
        finally:
            os._exit(serve.BROKEN)

    def _spawn(self, spec: dict[str, Any], data_fd: int) -> tuple[int, subprocess.Popen[bytes]]:
        with tempfile.TemporaryFile() as file:
            file.write(json.dumps(spec).encode())
            file.flush()
            command = [
                sys.executable,
                self._scorer,
                "child",
                str(data_fd),
                str(file.fileno()),
                str(os.getpid()),
            ]
            popen = subprocess.Popen(command, pass_fds=(data_fd, file.fileno()), start_new_session=True)
        return popen.pid, popen

    def _reap(self) -> None:
        for pid, status, maxrss in iter(self._collect, None):
            child = self._children.pop(pid, None)
            if child is None:
                continue
            if child.popen is not None:
                child.popen.returncode = status
            if child.watch is not None:
                _tell(child.watch, {"op": "exit", "status": status, "maxrss": process.kibibytes(maxrss)})
            child.hang_up()
        self._kill_strays()

    def _collect(self) -> tuple[int, int, int] | None:
        """Reap one process that has ended, with what is left of its group: pid, status, peak memory."""
        if not hasattr(os, "waitid"):
            ended = (os.wait4(pid, os.WNOHANG) for pid in self._children)
            pid, status, usage = next((e for e in ended if e[0]), (0, 0, None))
            if usage is None:
                return None
            process.kill_group(pid, leader=False)
            return pid, status, usage.ru_maxrss
        try:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return None
        if not found:
            return None
        # Before it is reaped, so that the number of the group cannot be anybody else's yet.
        process.kill_group(found.si_pid)
        pid, status, usage = os.wait4(found.si_pid, 0)
        return pid, status, usage.ru_maxrss

    def _kill_strays(self) -> None:
        """Kill what left its group and outlived the scoring process that it came from."""
        for pid in process.child_pids():
            if pid not in self._children:
                _signal(pid, signal.SIGKILL)

    def _end(self) -> None:
        """Kill every group and wait for the ends of all."""
        for child in self._children.values():
            child.close()
        deadline = time.monotonic() + _PATIENCE
        while (self._children or process.child_pids()) and time.monotonic() < deadline:
            self._reap()
            time.sleep(0.001)


def _tell(sock: socket.socket, header: dict[str, Any]) -> bool:
    """Send a frame to the owner; False if it did not take it, which counts as gone."""
    try:
        send(sock, header, deadline=time.monotonic() + _PATIENCE)
    except (OSError, FrameError):
        return False
    return True


def _read(reader: FrameReader) -> Frame | None:
    """Return the next frame; an owner that sends anything else counts as gone."""
    try:
        return reader.read(time.monotonic() + _PATIENCE)
    except (OSError, FrameError):
        return None


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _import(name: str) -> float | str:
    """Return the seconds that an import took, or why it failed."""
    started = time.perf_counter()
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 -- the owner is told; the scoring process meets it again
        return f"{type(error).__name__}: {error}"
    return round(time.perf_counter() - started, 3)


def main(control_fd: int, scorer: str) -> int:
    """Serve the owner at the other end of `control_fd`; return the exit code."""
    process.die_with_parent(signal.SIGTERM)
    process.adopt_orphans()
    os.set_inheritable(control_fd, False)  # noqa: FBT003
    Template(socket.socket(fileno=control_fd), os.path.abspath(scorer)).run()
    return 0
