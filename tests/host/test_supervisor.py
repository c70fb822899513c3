"""The supervisor keeps a host running, gives it up when it must, and leaves when it should."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from batchmagic.host.supervisor import AGAIN_SECONDS, died_too_often
from batchmagic.processes import python_command, python_environment
from batchmagic.workspace import identity, supervisor_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STAND_IN = """
import json, os, signal, socket, sys
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
print("a host was here", flush=True)
hup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
control.sendall(json.dumps({"pid": os.getpid(), "arguments": sys.argv[2:], "ignores_hangup": hup}).encode() + b"\\n")
while order := control.recv(100).split():
    if order[0] == b"exit":
        os._exit(int(order[1]))
    if order[0] == b"kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if order[0] == b"leave":
        import subprocess
        child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
        control.sendall(b"%d" % child.pid)
    if order[0] == b"ignore":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        control.sendall(b"done\\n")
    if order[0] == b"print":
        print("x" * int(order[1]), flush=True)
        control.sendall(b"done\\n")
"""


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """A host that does what the test says."""

    connection: socket.socket
    pid: int
    arguments: list[str]
    ignores_hangup: bool

    def do(self, order: str) -> None:
        self.connection.sendall(order.encode())

    def wait_for_end(self) -> None:
        assert self.connection.recv(100) == b""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A workspace, and the door by which stand-ins come."""

    workspace: Path
    command: list[str]
    door: socket.socket
    start: Callable[..., subprocess.Popen[bytes]]
    open: contextlib.ExitStack

    @property
    def log(self) -> str:
        return (self.workspace / "compute" / "local" / "host.log").read_text()

    def next_host(self, *, timeout: float = 10) -> StandIn:
        self.door.settimeout(timeout)
        connection, _ = self.door.accept()
        self.open.enter_context(connection)
        connection.settimeout(10)
        with connection.makefile() as lines:
            told: dict[str, Any] = json.loads(lines.readline())
        return StandIn(connection=connection, **told)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    program = tmp_path / "stand_in.py"
    program.write_text(STAND_IN)
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "door"))
    door.listen()
    command = [sys.executable, str(program), str(tmp_path / "door")]
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    started: list[subprocess.Popen[bytes]] = []

    def start(*more: str) -> subprocess.Popen[bytes]:
        options = [f"--workspace={workspace}", "--compute=local", f"--command={json.dumps(command)}", *more]
        supervisor = python_command("batchmagic.host.supervisor", *options)
        started.append(subprocess.Popen(supervisor, env=python_environment(), cwd="/"))
        return started[-1]

    with contextlib.ExitStack() as stack:
        stack.enter_context(door)
        yield Scene(workspace=workspace, command=command, door=door, start=start, open=stack)
    for supervisor in started:
        for child in psutil.Process(supervisor.pid).children() if supervisor.poll() is None else []:
            child.kill()
        supervisor.kill()
        supervisor.wait()


def test_host_is_told_its_place_and_writes_to_the_log(scene):
    supervisor = scene.start()
    host = scene.next_host()
    assert host.arguments == ["--workspace", str(scene.workspace), "--compute", "local"]
    assert psutil.Process(host.pid).ppid() == supervisor.pid
    assert "a host was here" in scene.log
    assert (scene.workspace / "compute" / "local" / "host.log").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("code", [0, 3])
def test_supervisor_leaves_with_a_host_that_leaves(scene, code):
    supervisor = scene.start()
    scene.next_host().do(f"exit {code}")
    assert supervisor.wait(5) == code


@pytest.mark.parametrize("order", ["kill", "exit 1"])
def test_host_that_dies_is_back_within_a_second(scene, order):
    supervisor = scene.start()
    first = scene.next_host()
    first.do(order)
    first.wait_for_end()
    died = time.monotonic()
    second = scene.next_host()
    assert time.monotonic() - died < 1
    assert second.pid != first.pid
    second.do("exit 0")
    assert supervisor.wait(5) == 0


def test_host_that_dies_the_fourth_time_is_given_up(scene):
    supervisor = scene.start()
    for _ in range(4):
        scene.next_host().do("kill")
    last = scene.next_host()
    assert last.arguments[-2:] == ["--give-up", str(scene.workspace / "compute" / "local" / "host.log")]
    assert scene.log.count("was killed by signal 9") == 3
    last.do("exit 0")
    assert supervisor.wait(5) == 1
    assert "died 4 times within 10 minutes" in scene.log
    assert "could not be marked" not in scene.log


def test_failing_to_give_up_is_in_the_log(scene):
    supervisor = scene.start()
    for _ in range(4):
        scene.next_host().do("kill")
    scene.next_host().do("exit 5")
    assert supervisor.wait(5) == 1
    assert "could not be marked: exit code 5" in scene.log


def test_old_deaths_are_forgotten():
    deaths: collections.deque[float] = collections.deque()
    assert [died_too_often(deaths, now) for now in (0, 1, 2)] == [False] * 3
    assert not died_too_often(deaths, 601)  # the first is more than ten minutes past
    assert died_too_often(deaths, 601)


def test_command_that_cannot_run_is_given_up(scene):
    supervisor = scene.start('--command=["/nowhere/python"]')
    assert supervisor.wait(10) == 1
    assert "could not be started" in scene.log


def test_sigterm_is_passed_on_and_the_supervisor_leaves_after_the_host(scene):
    supervisor = scene.start()
    host = scene.next_host()
    supervisor.terminate()
    host.wait_for_end()
    assert supervisor.wait(5) == 0
    assert "started again" not in scene.log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_a_host_that_does_not_leave(scene, number):
    supervisor = scene.start()
    host = scene.next_host()
    host.do("ignore")
    assert host.connection.recv(10) == b"done\n"
    for _ in range(3):
        supervisor.send_signal(number)  # the same wish, handed on by more than one
    time.sleep(AGAIN_SECONDS + 0.2)
    assert supervisor.poll() is None
    supervisor.send_signal(number)
    host.wait_for_end()
    assert supervisor.wait(10) == 0
    assert "started again" not in scene.log


def test_record_stays_with_the_supervisor_whose_host_has_the_compute(scene):
    first = scene.start()
    host = scene.next_host()
    second = scene.start()
    scene.next_host().do("exit 3")
    assert second.wait(10) == 3
    folder = scene.workspace / "compute" / "local"
    assert supervisor_record.read(folder).identity == identity.of_process(first.pid)
    host.do("exit 0")
    assert first.wait(5) == 0


def test_what_a_killed_host_leaves_behind_is_ended(scene):
    supervisor = scene.start()
    host = scene.next_host()
    host.do("leave")
    left = int(host.connection.recv(10))
    assert psutil.pid_exists(left)
    host.do("kill")
    again = scene.next_host()
    assert not psutil.pid_exists(left)
    assert "Ended 1 processes that the host had left behind" in scene.log
    again.do("exit 0")
    assert supervisor.wait(5) == 0


def test_sigterm_between_two_hosts_ends_the_supervisor(scene):
    supervisor = scene.start()
    host = scene.next_host()
    supervisor.send_signal(signal.SIGSTOP)
    host.do("kill")
    host.wait_for_end()
    supervisor.terminate()
    supervisor.send_signal(signal.SIGCONT)
    assert supervisor.wait(5) == 0


def test_hangup_ends_neither(scene):
    supervisor = scene.start()
    host = scene.next_host()
    supervisor.send_signal(signal.SIGHUP)
    os.kill(host.pid, signal.SIGHUP)
    assert host.ignores_hangup
    host.do("kill")
    scene.next_host().do("exit 0")
    assert supervisor.wait(5) == 0


def test_host_lives_on_when_the_supervisor_is_killed(scene):
    supervisor = scene.start()
    host = scene.next_host()
    supervisor.kill()
    supervisor.wait()
    host.do("print 5")
    assert host.connection.recv(10) == b"done\n"
    host.do("exit 0")


def test_long_log_is_set_aside_once(scene):
    supervisor = scene.start()
    host = scene.next_host()
    host.do(f"print {9 << 20}")
    assert host.connection.recv(10) == b"done\n"
    host.do("kill")
    host.wait_for_end()
    scene.next_host().do("exit 0")
    assert supervisor.wait(5) == 0
    folder = scene.workspace / "compute" / "local"
    assert (folder / "host.log.1").stat().st_size > 9 << 20
    assert "a host was here" in scene.log
    assert len(scene.log) < 1000


def test_long_log_of_a_living_host_is_set_aside_when_the_supervisor_looks(scene):
    supervisor = scene.start()
    host = scene.next_host()
    host.do(f"print {9 << 20}")
    assert host.connection.recv(10) == b"done\n"
    supervisor.send_signal(signal.SIGCHLD)  # makes it look now, and not within the next minute
    deadline = time.monotonic() + 5
    while len(scene.log) > 1000:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    host.do("print 7")
    assert host.connection.recv(10) == b"done\n"
    assert scene.log == "xxxxxxx\n"
    host.do("exit 0")
    assert supervisor.wait(5) == 0


def test_detached_supervisor_is_nobody_s_child_and_leads_a_session(scene):
    assert scene.start("--detach").wait(5) == 0
    host = scene.next_host()
    supervisor = psutil.Process(host.pid).parent()
    with contextlib.ExitStack() as stack:
        stack.callback(host.do, "exit 0")
        assert supervisor is not None
        assert os.getpid() not in [p.pid for p in supervisor.parents()]
        assert os.getsid(supervisor.pid) == supervisor.pid
        record = supervisor_record.read(scene.workspace / "compute" / "local")
        assert record.identity == identity.of_process(supervisor.pid)
    psutil.wait_procs([supervisor], timeout=5)
    assert not supervisor.is_running() or supervisor.status() == psutil.STATUS_ZOMBIE


def test_waiting_costs_nothing(scene):
    supervisor = scene.start()
    scene.next_host()
    process = psutil.Process(supervisor.pid)
    before = process.num_ctx_switches().voluntary
    time.sleep(1)
    assert process.num_ctx_switches().voluntary - before < 5


def test_only_the_standard_library_is_imported():
    code = "import sys; before = set(sys.modules); import batchmagic.host.supervisor; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=python_environment()
    )
    foreign = {m.partition(".")[0] for m in done.stdout.split()} - sys.stdlib_module_names
    assert foreign == {"batchmagic"}
