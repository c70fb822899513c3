"""Kernels, servers and terminals that end in the middle of a job: the job neither stops nor forgets (F06, F07)."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import secrets
import signal
import subprocess
import sys
import time
import urllib.request
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest
from cancel_support import events, names
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel
from main_job_support import ENDPOINT, is_gone, until
from oracle import examine

if TYPE_CHECKING:
    from pathlib import Path

FILES = 8
OPEN = 3
JOB = "application/vnd.batchmagic.job.v1+json"
TRUE_SECONDS = 5.0
START_SECONDS = 60.0
SERVER_SECONDS = 20.0
LATER = partial(pytest.param, marks=pytest.mark.slow)
AT_NIGHT = partial(pytest.param, marks=pytest.mark.nightly)

# The terminal becomes that of the session, as it is for a shell, also under nohup; then the command.
TAKE_TERMINAL = """
import fcntl, os, signal, sys, termios
signal.signal(signal.SIGHUP, signal.SIG_DFL)
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Cells:
    """The front end of a kernel: what a cell shows, and whether it stopped."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self.client = client

    def run(self, source: str) -> list[dict]:
        """Run a cell that must not stop and return its outputs."""
        shown: list[dict] = []
        answer = self.client.execute_interactive(
            source, timeout=START_SECONDS, output_hook=lambda message: shown.append(message["content"])
        )
        assert answer["content"]["status"] == "ok", answer["content"]
        return shown

    def shown_job(self, words: str) -> dict:
        """Return the document of the job that a magic shows."""
        bundles = [content["data"] for content in self.run(words) if JOB in content.get("data", {})]
        return bundles[-1][JOB]


@pytest.fixture
def reopened(lab):
    """A function that starts another kernel in the project's folder; `first` is there, with its manager."""
    with contextlib.ExitStack() as stack:

        def start() -> tuple[KernelManager, Cells]:
            manager, client = start_new_kernel(cwd=str(lab.folder), env=environment(lab))
            stack.callback(lambda: manager.is_alive() and manager.shutdown_kernel(now=True))
            stack.callback(client.stop_channels)
            return manager, Cells(client)

        def another() -> Cells:
            return start()[1]

        another.first = start()
        yield another


def environment(lab, **more):
    return dict(os.environ) | {
        "BATCHMAGIC_WORKSPACE": str(lab.root),
        "IPYTHONDIR": str(lab.folder / "ipython"),
        **more,
    }


@pytest.fixture
def begun(lab):
    """A function that makes the words of an invoke, and one that waits until the job is in its middle."""
    gate = lab.gate()
    deployment = lab.deploy(lab.new_folder("gated").name, gate.script(), mini_batch_size=1)
    return Begun(lab, gate, deployment)


class Begun:
    """A job of which some mini-batches are done, and the others wait for the test."""

    def __init__(self, lab, gate, deployment) -> None:
        self.lab, self.gate = lab, gate
        self.name = f"from-{deployment}"
        self.words = f"invoke {ENDPOINT}/{deployment} --input {lab.data(FILES)} --job-name {self.name}"
        gate.open(*(f"{n:03d}.csv" for n in range(OPEN)))

    def in_the_middle(self) -> int:
        """Wait for the middle of the job; return its host."""
        self.gate.wait_calls(OPEN + 2)
        until(lambda: self.done() == OPEN, of="the middle of the job")
        return self.lab.host().pid

    def done(self) -> int:
        return self.lab.job(self.name).progress.completed

    def goes_on(self, host: int, before: list[tuple[int, str]], tally) -> None:
        """Check that the job is where it was, in the same hands, and comes to its end."""
        assert not is_gone(host)
        assert events(self.lab, self.name) == before
        assert self.done() == OPEN
        self.gate.open()
        self.lab.ended(self.name)
        assert self.lab.host().pid == host
        assert events(self.lab, self.name)[: len(before)] == before
        assert len(self.gate.calls()) == FILES, "it was scored twice"
        found = examine(self.lab, self.name, names(FILES))
        tally.trial(kills=1, **found.counts())
        assert found.ok, found


@pytest.mark.parametrize(
    "how", ["killed and restarted", LATER("%reset"), AT_NIGHT("restarted"), AT_NIGHT("closed")]
)
def test_a_kernel(begun, reopened, how, tally):
    lab, (manager, cells) = begun.lab, reopened.first
    cells.run("%load_ext batchmagic")
    cells.run(f"job = %batch {begun.words}")
    host = begun.in_the_middle()
    before = events(lab, begun.name)
    old = manager.provisioner.pid
    if how == "closed":
        manager.shutdown_kernel(now=False)
        assert is_gone(old)
        cells = reopened()
    elif how == "%reset":
        cells.run("%reset -f")
    else:
        if how.startswith("killed"):
            os.kill(old, signal.SIGKILL)
        manager.restart_kernel(now=how.startswith("killed"))
        cells.client.wait_for_ready(timeout=START_SECONDS)
    cells.run("%load_ext batchmagic")
    began = time.monotonic()
    shown = cells.shown_job(f"%batch job show {begun.name}")
    took = time.monotonic() - began
    assert (shown["status"], shown["progress"]["completed"]) == ("Running", OPEN)
    assert shown["progress"]["mini_batches"] == FILES
    begun.goes_on(host, before, tally)
    until(lambda: cells.shown_job(f"%batch job show {begun.name}")["status"] == "Completed", of="the truth")
    assert took <= TRUE_SECONDS, f"the first true counts came after {took:.1f} s"


@contextlib.contextmanager
def server(lab, folder: Path):
    """A Jupyter server that leads a session of its own, as one does that was started at a login."""
    folder.mkdir(exist_ok=True)
    token = secrets.token_hex(8)
    own = {f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    command = [sys.executable, "-m", "jupyter_server", "--allow-root", "--no-browser", "--ip=127.0.0.1"]
    command += ["--port=0", f"--ServerApp.root_dir={lab.folder}", f"--IdentityProvider.token={token}"]
    with (folder / "server.log").open("a") as log:
        process = subprocess.Popen(
            command,
            env=environment(lab, **own),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield Server(process, folder / "runtime", token)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Server:
    """A running Jupyter server."""

    def __init__(self, process: subprocess.Popen, runtime: Path, token: str) -> None:
        self.process, self._runtime, self._token = process, runtime, token
        self._url = until(self._address, START_SECONDS, of="a server")

    def _address(self) -> str | None:
        with contextlib.suppress(OSError, ValueError):
            record = json.loads((self._runtime / f"jpserver-{self.process.pid}.json").read_text())
            self._url = f"http://127.0.0.1:{record['port']}"
            self.ask("api/status")
            return self._url
        return None

    def ask(self, path: str, body: dict | None = None) -> dict:
        """Ask the server as a browser does."""
        request = urllib.request.Request(
            f"{self._url}/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self._token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=SERVER_SECONDS) as answer:
            return json.load(answer)

    def new_kernel(self) -> Cells:
        """Start a kernel as a new notebook does."""
        name = self.ask("api/kernels", {"name": "python3"})["id"]
        client = BlockingKernelClient()
        client.load_connection_file(str(self._runtime / f"kernel-{name}.json"))
        # On a busy machine a heart that pauses for a second is no dead one.
        client.hb_channel.time_to_dead = START_SECONDS
        client.start_channels()
        client.wait_for_ready(timeout=START_SECONDS)
        return Cells(client)


def end_server(process: subprocess.Popen, how: str) -> None:
    """End the server in one of the ways in which people and systems do."""
    if how == "stopped":
        process.terminate()
    elif how == "killed with its group":
        os.killpg(process.pid, signal.SIGKILL)
    else:  # what a login session that ends sends to all that is in it
        for member in session_of(process.pid):
            os.kill(member, signal.SIGHUP)
        until(lambda: process.poll() is not None or end_group(process), SERVER_SECONDS)
    process.wait(SERVER_SECONDS)


def session_of(leader: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return found


def end_group(process: subprocess.Popen) -> bool:
    """Go on as a login does with what does not listen to the hangup: it kills."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return False


@pytest.mark.slow
@pytest.mark.parametrize(
    "how", ["killed with its group", AT_NIGHT("stopped"), AT_NIGHT("hung up with its session")]
)
def test_a_server(begun, lab, how, tally):
    folder = lab.new_folder("server")
    with server(lab, folder) as first:
        cells = first.new_kernel()
        cells.run("%load_ext batchmagic")
        cells.run(f"job = %batch {begun.words}")
        host = begun.in_the_middle()
        before = events(lab, begun.name)
        below = psutil.Process(first.process.pid).children(recursive=True)
        assert host not in {process.pid for process in below}
        assert host not in session_of(first.process.pid)
        end_server(first.process, how)
        cells.client.stop_channels()
    # Kernels end with their server, if not at once.
    until(lambda: all(is_gone(p.pid) for p in below), START_SECONDS, of="the end of the kernels")
    with server(lab, folder) as second:
        cells = second.new_kernel()
        cells.run("%load_ext batchmagic")
        shown = cells.shown_job(f"%batch job show {begun.name}")
        assert (shown["status"], shown["progress"]["completed"]) == ("Running", OPEN)
        begun.goes_on(host, before, tally)
        cells.client.stop_channels()


def test_a_terminal_that_is_closed(begun, lab, tally):
    """The window of a terminal goes while the command waits in it."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "batchmagic", *begun.words.split(), "--wait"]
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE_TERMINAL, *command],
        cwd=lab.folder,
        env=environment(lab),
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    try:
        host = begun.in_the_middle()
        before = events(lab, begun.name)
        os.close(master)
        process.wait(SERVER_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == -signal.SIGHUP, process.returncode
    begun.goes_on(host, before, tally)
