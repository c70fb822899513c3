"""A compute gets one host, however many ask for it and however they end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from batchmagic.errors import ComputeError
from batchmagic.processes import python_command, python_environment
from batchmagic.workspace import Workspace
from batchmagic.workspace.launch import ensure_host, host_claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST = """
import os, socket, sys
from batchmagic.errors import ClaimHeld
from batchmagic.workspace import Workspace
from batchmagic.workspace.launch import host_claim
ws = Workspace.open(sys.argv[3])
try:
    ws.claims.acquire(host_claim(sys.argv[5]))
except ClaimHeld:
    os._exit(3)
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
control.sendall(b"%d\\n" % os.getpid())
control.recv(1)
os._exit(0)
"""

CALLER = """
import json, sys
from batchmagic.workspace import Workspace
from batchmagic.workspace.launch import ensure_host
ws = Workspace.open(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(ensure_host(ws, "local", host_command=json.loads(sys.argv[2])), flush=True)
sys.stdin.readline()
"""


@dataclass(frozen=True, kw_only=True)
class Scene:
    ws: Workspace
    command: list[str]
    door: socket.socket
    open: contextlib.ExitStack

    def next_host(self, *, timeout: float = 60) -> tuple[socket.socket, int]:
        self.door.settimeout(timeout)
        connection, _ = self.door.accept()
        self.open.enter_context(connection)
        connection.settimeout(20)
        return connection, int(connection.recv(100))

    def supervisors(self) -> list[psutil.Process]:
        return [p for p, line in self._ours() if "batchmagic.host.supervisor" in line]

    def hosts(self) -> list[psutil.Process]:
        return [p for p, line in self._ours() if "batchmagic.host.supervisor" not in line]

    def _ours(self) -> list[tuple[psutil.Process, list[str]]]:
        """All processes, of whatever parent, that were started for this workspace, with their command lines."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                line = process.cmdline()
                if any(str(self.ws.root) in word for word in line) and "-c" not in line:
                    found.append((process, line))
        return found


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    program = tmp_path / "host.py"
    program.write_text(HOST)
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(socket.socket(socket.AF_UNIX))
        door.bind(str(tmp_path / "door"))
        door.listen(20)
        (tmp_path / "here").mkdir()
        ws = Workspace.find(tmp_path / "here" / ".batchmagic", create=True)
        stack.callback(ws.close)
        scene = Scene(
            ws=ws, command=[sys.executable, str(program), str(tmp_path / "door")], door=door, open=stack
        )
        # ends whatever a failing test leaves
        stack.callback(lambda: [p.kill() for p in [*scene.supervisors(), *scene.hosts()]])
        yield scene


def test_compute_without_a_host_gets_one_and_no_second(scene):
    began = time.monotonic()
    assert ensure_host(scene.ws, "local", host_command=scene.command)
    assert time.monotonic() - began < 1  # it does not wait for the host
    host, pid = scene.next_host()
    assert scene.ws.claims.holder(host_claim("local")).identity.pid == pid
    assert not ensure_host(scene.ws, "local", host_command=scene.command)
    (supervisor,) = scene.supervisors()
    host.send(b"x")
    wait_until_dead(supervisor)
    assert scene.hosts() == []


def test_live_owner_of_the_claim_is_enough(scene):
    scene.ws.claims.acquire(host_claim("local"))
    assert not ensure_host(scene.ws, "local", host_command=scene.command)
    assert scene.supervisors() == []


def test_calls_before_the_host_is_up_start_nothing_more(scene):
    assert ensure_host(scene.ws, "local", host_command=scene.command)
    assert not any(ensure_host(scene.ws, "local", host_command=scene.command) for _ in range(5))
    scene.next_host()
    assert len(scene.supervisors()) == 1


def test_host_that_was_killed_with_its_supervisor_is_started_by_the_next_look(scene):
    ensure_host(scene.ws, "local", host_command=scene.command)
    _, pid = scene.next_host()
    for process in [*scene.supervisors(), *scene.hosts()]:
        process.kill()
        wait_until_dead(process)

    assert ensure_host(scene.ws, "local", host_command=scene.command)
    _, again = scene.next_host()
    assert again != pid


def test_ten_callers_at_once_bring_one_host(scene):
    callers = [
        subprocess.Popen(
            [sys.executable, "-c", CALLER, scene.ws.root, json.dumps(scene.command)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=python_environment(),
        )
        for _ in range(10)
    ]
    with contextlib.ExitStack() as stack:
        for caller in callers:
            stack.enter_context(caller)
        for caller in callers:
            assert caller.stdout.readline() == b"ready\n"
        for caller in callers:
            caller.stdin.write(b"go\n")
            caller.stdin.flush()
        answers = [caller.stdout.readline() for caller in callers]
        scene.next_host()
        for caller in callers:
            caller.kill()
    assert b"True\n" in answers
    assert set(answers) <= {b"True\n", b"False\n"}
    assert_one_is_left(scene)


def test_claim_decides_between_supervisors(scene):
    """What holds when the callers do not see each other, as on a file system without locks."""
    options = [f"--workspace={scene.ws.root}", "--compute=local", f"--command={json.dumps(scene.command)}"]
    command = python_command("batchmagic.host.supervisor", *options)
    supervisors = [subprocess.Popen(command, env=python_environment()) for _ in range(4)]
    host, pid = scene.next_host()
    winner = psutil.Process(pid).ppid()
    assert [s.wait(20) for s in supervisors if s.pid != winner] == [3, 3, 3]
    assert [h.pid for h in scene.hosts()] == [pid]
    host.send(b"x")
    assert [s.wait(5) for s in supervisors if s.pid == winner] == [0]


def test_host_outlives_the_group_of_who_started_it(scene):
    with subprocess.Popen(
        [sys.executable, "-c", CALLER, scene.ws.root, json.dumps(scene.command)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=python_environment(),
        start_new_session=True,
    ) as caller:
        caller.stdin.write(b"go\n")
        caller.stdin.flush()
        assert caller.stdout.readline() == b"ready\n"
        assert caller.stdout.readline() == b"True\n"
        below = psutil.Process(caller.pid).children(recursive=True)
        os.killpg(caller.pid, signal.SIGKILL)
    assert below == []
    host, _ = scene.next_host()
    host.send(b"x")


def test_supervisor_that_cannot_start_is_an_error(scene):
    (scene.ws.compute_dir("local") / "supervisor.json").mkdir()
    with pytest.raises(ComputeError, match=r"'local' could not be started.*host\.log"):
        ensure_host(scene.ws, "local", host_command=scene.command)
    assert "IsADirectoryError" in (scene.ws.compute_dir("local") / "host.log").read_text()


def wait_until_dead(process: psutil.Process) -> None:
    """Zombies are dead; whose child it is, and who collects it, is not ours to say."""
    deadline = time.monotonic() + 5
    while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_one_is_left(scene: Scene) -> None:
    """Within seconds, as the hosts that find the claim taken leave."""
    deadline = time.monotonic() + 20
    while len(scene.supervisors()) > 1 and time.monotonic() < deadline:
        psutil.wait_procs(scene.supervisors(), timeout=0.5)
    assert len(scene.supervisors()) == 1
    assert len(scene.hosts()) == 1
