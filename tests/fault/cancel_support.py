"""What the campaigns of cancel and resume share: scripts, front ends, and a look at what a job has become."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import psutil
from main_job_support import PATIENCE, until

from batchmagic import MLClient
from batchmagic.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from main_job_support import Gate, Lab
    from tally import Tally

CANCEL_SECONDS = 10
GONE_SECONDS = 15
# Where a host must be started first, which takes a second or two, and on a busy machine far longer.
HOST_SECONDS = 40
_FEW = 4

# Long enough for a cancel to meet every stage; a mark for every call, so that what is done twice shows.
STEADY = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def init():
    time.sleep(0.05)

def run(mini_batch):
    first = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{first}} {{os.getpid()}}\\n")
    time.sleep(0.02)
    return [os.path.basename(path) for path in mini_batch]
"""

# The interpreter's lock is held, no signal but SIGKILL ends it, and it has a child that is as stubborn.
STUCK = """
import ctypes, os, pathlib, signal, subprocess, sys

MARKS = pathlib.Path({marks!r})
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(1000)"

def run(mini_batch):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    child = subprocess.Popen([sys.executable, "-c", DEAF])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{os.path.basename(mini_batch[0])}} {{os.getpid()}}\\n")
    (MARKS / f"child-{{child.pid}}").touch()
    ctypes.PyDLL(None).sleep(1000)
"""


class Campaign:
    """Trials as long as the tier has time: in a push what fits in 12 s, but four; nightly a hundred."""

    def __init__(self, tier: str, tally: Tally) -> None:
        self.tally = tally
        self._most, self._seconds = (10, 12) if tier == "push" else (100, 1500)

    def trials(self, begin: Callable[[], str], *, most: int | None = None) -> Iterator[str]:
        """Yield what `begin` returns, once for each trial; `most`: no more than that."""
        deadline = time.monotonic() + self._seconds
        for number in range(self._most if most is None else most):
            if number >= _FEW and time.monotonic() > deadline:
                return
            yield begin()


def names(files: int) -> bytes:
    """Return the output of a script that returns the names of its files."""
    return b"".join(f"{n:03d}.csv\n".encode() for n in range(files))


def cancel(lab: Lab, name: str, *, front_ends: int = 1) -> bool:
    """Ask for the end from one front end or several at once; return whether it was still possible.

    However many ask, they hear of the same end: either all that is asked is accepted, or it is too late for all.
    """
    if front_ends == 1:
        return _ask(lab.client, name)
    answers: list[bool] = []
    clients = [MLClient(lab.root) for _ in range(front_ends)]
    together = threading.Barrier(front_ends)

    def one(client: MLClient) -> None:
        client.session.read()
        together.wait()
        answers.append(_ask(client, name))
        client.session.close()

    threads = [threading.Thread(target=one, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return any(answers)


def _ask(client: MLClient, name: str) -> bool:
    try:
        client.jobs.begin_cancel(name)
    except StateError:
        return False
    return True


def command(lab: Lab, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "batchmagic", "--workspace", str(lab.root), *words],
        cwd=lab.folder,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )


def canceled_within(lab: Lab, name: str, seconds: float = CANCEL_SECONDS) -> float:
    """Wait for the end that was asked for and return how long it took."""
    began = time.monotonic()
    until(lambda: lab.job(name).status.is_terminal, max(seconds, PATIENCE), of=f"the end of {name}")
    took = time.monotonic() - began
    assert took <= seconds, f"{name} was {lab.status(name)} only after {took:.1f} s"
    return took


def gone_within(pids: list[int], seconds: float = GONE_SECONDS) -> None:
    """Pass when none of the processes is left."""
    until(lambda: not any(map(_lives, pids)), seconds, of=f"the end of {[p for p in pids if _lives(p)]}")


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def scored(gate: Gate) -> list[str]:
    """Return the first file of every call of run(), in order."""
    return [first for first, _ in gate.calls()]


def events(lab: Lab, name: str) -> list[tuple[int, str]]:
    """Return the states that the job came through, each with its run."""
    return [(event.run, str(event.status)) for event in lab.client.session.read().jobs.events(name)]
