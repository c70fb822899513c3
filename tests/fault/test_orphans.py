"""Processes killed in any order: the job goes on to its end, and nothing is left that has no purpose."""

from __future__ import annotations

import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from killers import ROLES, processes
from main_job_support import COMPUTE, is_gone, until
from oracle import examine

from batchmagic.compute import marker
from batchmagic.scoring import scorer

FILES = 12
EXPECTED = b"".join(b"%03d.csv\n" % n for n in range(FILES))
GONE_SECONDS = 15

# Each scoring process leaves a child in its own session and, by a double fork, a process that is nobody's child.
DAEMONS = """
import os, pathlib, subprocess, sys, time

MARKS = pathlib.Path({marks!r})
DAEMON = (
    "import os, sys, time\\n"
    "if os.fork(): os._exit(0)\\n"
    "os.setsid()\\n"
    "if os.fork(): os._exit(0)\\n"
    "open(sys.argv[1], 'a').write(f'{{os.getpid()}}\\\\n')\\n"
    "time.sleep(1000)\\n"
)

def init():
    child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    with open(MARKS / "detached", "a") as file:
        file.write(f"{{child.pid}}\\n")
    subprocess.run([sys.executable, "-c", DAEMON, str(MARKS / "detached")], check=True)

def run(mini_batch):
    first = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{first}} {{os.getpid()}}\\n")
    while not ((MARKS / "open").exists() or (MARKS / f"open-{{first}}").exists()):
        time.sleep(0.01)
    return [first]
"""


def detached(gate) -> list[int]:
    """Return the processes that the script has let go of."""
    return [int(line) for line in (gate.folder / "detached").read_text().split()]


@pytest.fixture
def under_way(new_lab):
    """A job of which two mini-batches wait in run(), in two scoring processes with two detached processes each."""
    gate = new_lab.gate()
    new_lab.deploy("daemons", gate.script(DAEMONS), mini_batch_size=1, output_format="azure")
    name = new_lab.invoke("daemons", FILES)
    gate.wait_calls(2)
    until(lambda: len(detached(gate)) == 4, of="detached processes")
    return new_lab, gate, name


def finish(lab, gate, name, tally, *, kills: int, **more) -> None:
    """Let the job go on, and check it and that nothing is left."""
    lab.client.jobs.get(name)
    gate.open()
    lab.ended(name, 90)
    found = examine(lab, name, EXPECTED)
    tally.trial(kills=kills, **found.counts(), **more)
    assert found.ok, found
    holder = lab.holder()
    if holder is not None:
        os.kill(holder.identity.pid, signal.SIGTERM)
    until(lambda: all(map(is_gone, detached(gate))), GONE_SECONDS, of="the end of all detached processes")


@pytest.mark.parametrize(
    "role",
    [
        "worker",
        pytest.param("template", marks=pytest.mark.slow),
        pytest.param("host", marks=pytest.mark.nightly),
    ],
)
def test_what_a_script_detached_ends_with_a_killed_parent(under_way, tally, role):
    lab, gate, name = under_way
    let_go = detached(gate)
    below = [p.pid for p in lab.below_host()]
    (victim,) = processes(lab, role, COMPUTE)
    lost = [victim, *(p.pid for p in psutil.Process(victim).children(recursive=True))]
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    assert set(lost) <= {*below, victim}
    until(lambda: all(map(is_gone, [*lost, *let_go])), GONE_SECONDS, of="the end of all that was below")
    finish(lab, gate, name, tally, kills=1, recovery=time.monotonic() - began)


# A stopped process ends nothing and nobody; a killed one cannot either.
PAIRS = {
    ("template", ("worker",)): "slow",
    ("template", ("host",)): "slow",
    ("template", ("supervisor", "host")): "push",
}
PAIRS |= {
    (stopped, (killed,)): "nightly"
    for stopped, killed in itertools.permutations(ROLES, 2)
    if (stopped, (killed,)) not in PAIRS
}


def _pairs():
    for (stopped, killed), when in PAIRS.items():
        marks = [] if when == "push" else [getattr(pytest.mark, when)]
        yield pytest.param(stopped, killed, marks=marks, id=f"{stopped}-stopped-{'-'.join(killed)}-killed")


@pytest.mark.parametrize(("stopped", "killed"), list(_pairs()))
def test_one_is_stopped_and_then_another_killed(under_way, tally, stopped, killed):
    lab, gate, name = under_way
    found = {role: sorted(processes(lab, role, COMPUTE)) for role in ROLES}
    os.kill(found[stopped][0], signal.SIGSTOP)
    for role in killed:
        os.kill(found[role][0], signal.SIGKILL)
    if stopped == "host" or (stopped, killed) == ("scoring", ("supervisor",)):
        # Whoever stops what is needed has to let it go on.
        time.sleep(1)
        os.kill(found[stopped][0], signal.SIGCONT)
    if stopped == "scoring" and killed == ("supervisor",):
        finish(lab, gate, name, tally, kills=1)
        return
    lab.client.jobs.get(name)
    doomed = set(_below(found, killed))
    lab_looks = lambda: lab.client.jobs.get(name) and all(map(is_gone, doomed))  # noqa: E731
    until(lab_looks, 2 * GONE_SECONDS, of=f"the end of {doomed}")
    if stopped in {"worker", "template", "scoring"} and found[stopped][0] not in doomed:
        os.kill(found[stopped][0], signal.SIGCONT)
    finish(lab, gate, name, tally, kills=len(killed))
    if stopped == "supervisor":
        os.kill(found[stopped][0], signal.SIGKILL)


def _below(found: dict[str, list[int]], killed: tuple[str, ...]) -> list[int]:
    """Return what has no purpose any more when one process of each of these roles is dead."""
    highest = (
        max(ROLES.index(role) for role in killed if role != "supervisor")
        if set(killed) - {"supervisor"}
        else -1
    )
    if highest <= 0:
        return []
    return [pid for role in ROLES[:highest] for pid in found[role]]


ORDERS = list(itertools.permutations(("front end", *ROLES)))
FRONT_END = """
import sys
from batchmagic import MLClient
MLClient(sys.argv[1]).jobs.stream(sys.argv[2])
"""


def _orders():
    some = random.Random(4).sample(range(len(ORDERS)), 3)
    for number in some:
        marks = [] if number == some[0] else [pytest.mark.slow]
        yield pytest.param(ORDERS[number], marks=marks, id="-".join(ORDERS[number]))
    for number in random.Random(5).sample(range(len(ORDERS)), 20):
        if number not in some:
            yield pytest.param(ORDERS[number], marks=pytest.mark.nightly, id="-".join(ORDERS[number]))


@pytest.mark.parametrize("order", list(_orders()))
def test_all_are_killed_in_some_order(under_way, tally, order):
    lab, gate, name = under_way
    found = {role: processes(lab, role, COMPUTE) for role in ROLES}
    let_go = detached(gate)
    with subprocess.Popen(
        [sys.executable, "-c", FRONT_END, str(lab.root), name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as front_end:
        found["front end"] = [front_end.pid]
        for role in order:
            for pid in found[role]:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue  # it went with its parent
        front_end.wait()
    killed = [pid for pids in found.values() for pid in pids]
    began = time.monotonic()
    # A supervisor that was killed last may have started another host before; else whoever looks next does.
    gone = lambda: lab.client.jobs.get(name) and all(map(is_gone, [*killed, *let_go]))  # noqa: E731
    until(gone, 2 * GONE_SECONDS, of="the end of all that was there")
    finish(lab, gate, name, tally, kills=len(killed), recovery=time.monotonic() - began)


def test_the_next_host_ends_what_nobody_else_could(new_lab, tmp_path, tally):
    """Such as after all parents were killed at once; what carries another compute's mark is left alone."""
    lab = new_lab
    folder = lab.client.session.read().compute_dir(COMPUTE)
    stray, other = (
        subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            env={**os.environ, marker.VARIABLE: f"{place}:1:1.0"},
        )
        for place in (folder, tmp_path / "compute" / COMPUTE)
    )
    with stray, other:
        gate = lab.gate()
        lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
        gate.open()
        name = lab.invoke("gated", FILES)
        assert stray.wait(60) == -signal.SIGKILL
        lab.ended(name)
        assert other.poll() is None
        other.kill()
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found


@pytest.mark.slow
def test_no_value_of_a_secret_stands_in_the_environment_of_a_worker(new_lab):
    """It can be read there as long as the worker lives; only a scoring process gets its job's variables."""
    lab = new_lab
    gate = lab.gate()
    value = "a-value-of-a-secret-variable"
    lab.deploy(
        "gated",
        gate.script(),
        mini_batch_size=1,
        output_format="azure",
        environment_variables={"TOKEN": value},
    )
    name = lab.invoke("gated", FILES)
    gate.wait_calls(1)
    for process in (lab.host(), *lab.workers()):
        assert value not in str(process.environ())
        assert value not in str(process.cmdline())
    (template,) = lab.templates()
    assert Path(scorer.__file__).name in " ".join(template.cmdline())
    assert template.environ()["TOKEN"] == value
    gate.open()
    assert str(lab.ended(name).status) == "Completed"
