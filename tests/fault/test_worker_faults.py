"""Workers that die, freeze, are pre-empted or do not come: the job completes, and nobody is blamed for it."""

from __future__ import annotations

import os
import signal
import time

import psutil
import pytest
from distributed.chaos import KillWorker
from main_job_support import Lab, is_gone, until
from oracle import examine
from worker_support import dask_client, names, worker_for, worker_of

MODES = ("sys.exit", "graceful", "segfault")
# Slow until the test has seen enough.
PACED = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    time.sleep(0.02 if (MARKS / "open").exists() else 0.3)
    return [os.path.basename(path) for path in mini_batch]
"""
POISON_BESIDE_VICTIM = """
import ctypes, os, pathlib, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
    if name == "005.csv":
        ctypes.string_at(0)
    while name == "003.csv":
        time.sleep(0.01)
    return [name]
"""


def examined(lab, tally, name, expected, *, kills, user_failures=0, **more):
    found = examine(lab, name, expected, user_failures=user_failures, **more)
    tally.trial(kills=kills, **found.counts())
    assert found.ok, found


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "mode", [pytest.param(mode, marks=[] if mode == "segfault" else pytest.mark.nightly) for mode in MODES]
)
def test_killworker(new_lab, mode, tier, tally):
    """Dask's own chaos: every worker lives two seconds in the mean, from the moment at which it joins."""
    lab, gate = new_lab, new_lab.gate()
    files, enough = (500, 25) if tier == "nightly" else (200, 4)
    lab.deploy("paced", gate.script(PACED), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("paced", files, instance_count=2)
    until(lambda: lab.job(name).progress.completed, of="a commit")

    def lost() -> int:
        return lab.log(name, "sys/driver.txt").count(" left: ")

    with dask_client(lab) as client:
        client.register_plugin(KillWorker(delay="2 s", mode=mode))
        until(lambda: lost() >= enough or lab.job(name).status.is_terminal, 100, of=f"{enough} lost workers")
        gate.open()
        lab.ended(name, 100)
    assert lost() >= enough
    examined(lab, tally, name, names(files), kills=lost())


def retire(lab, pid):
    with dask_client(lab) as client:
        workers = client.scheduler_info(n_workers=-1)["workers"]
        names_of = dict(client.run(os.getpid))
        (address,) = [a for a in workers if names_of.get(a) == pid]
        client.retire_workers([address])


PREEMPTIONS = {
    "SIGTERM": lambda lab, pid: os.kill(pid, signal.SIGTERM),
    "retired through Dask": retire,
}


@pytest.mark.parametrize(
    "how",
    [pytest.param(how, marks=pytest.mark.nightly if how == "SIGTERM" else []) for how in PREEMPTIONS],
)
def test_preempted_while_busy_again_and_again(new_lab, how, tally):
    """Five times the same mini-batch, more often than a loss of its worker is forgiven."""
    lab, gate = new_lab, new_lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, max_concurrency_per_instance=1)
    gate.open("001.csv", "002.csv", "003.csv")
    name = lab.invoke("gated", 4, instance_count=2, max_retries=0)

    def calls():
        return [pid for first, pid in gate.calls() if first == "000.csv"]

    for struck in range(5):
        pid = until(lambda n=struck: len(calls()) > n and calls()[-1], of="the next call")
        both_up(lab, name)
        PREEMPTIONS[how](lab, worker_for(lab, pid).pid)
        until(lambda p=pid: is_gone(p), 20, of="the end of the scoring process")
    until(lambda: len(calls()) > 5, of="the last call")
    gate.open()
    lab.ended(name)
    assert lab.log(name, "sys/driver.txt").count(" left: retired") >= 5
    examined(lab, tally, name, names(4), kills=5)


def both_up(lab, name):
    """Wait until the job has two instances: only then would the loss of one count."""
    until(
        lambda: (
            (words := lab.log(name, "sys/driver.txt")).count(" joined ") - words.count(" left: ") == 2
            and len(lab.workers()) == 2
        ),
        of="two instances",
    )


@pytest.mark.nightly
def test_a_poison_beside_a_victim_of_lost_workers(new_lab, tally):
    """One segfaults by itself, the other's Dask worker is killed four times: two verdicts, and nobody else has one."""
    lab, gate = new_lab, new_lab.gate()
    lab.deploy("poison", gate.script(POISON_BESIDE_VICTIM), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("poison", 12, instance_count=2, max_retries=1, error_threshold=-1)

    def victims():
        return [pid for first, pid in gate.calls() if first == "003.csv"]

    kills = 0
    while kills < 6:
        until(lambda: len(victims()) > kills or lab.job(name).status.is_terminal, of="the victim's next call")  # noqa: B023
        if lab.job(name).status.is_terminal:
            break
        both_up(lab, name)
        worker_for(lab, victims()[-1]).kill()
        kills += 1
    # The first loss may have hit a lease of several, which blames nobody.
    assert kills in {4, 5}
    rows = b"".join(f"{n:03d}.csv\n".encode() for n in range(12) if n not in {3, 5})
    lab.ended(name)
    examined(lab, tally, name, rows, kills=kills, user_failures=2)
    assert lab.failed_attempts(name) == {3: 1, 5: 2}
    said = {int(r["Mini-batch Id"]): r["Error Message"] for r in lab.attempts(name) if r["Error Message"]}
    assert said[3].startswith("WorkerLost: the Dask worker was lost")
    assert said[5].startswith("Crashed(SIGSEGV): ")
    left = lab.log(name, "sys/driver.txt")
    assert left.count(" left: ") == kills, "the segfault took a Dask worker with it"


@pytest.mark.nightly
def test_a_frozen_worker_is_given_up(workspace_folder, monkeypatch, tally):
    monkeypatch.setenv("BATCHMAGIC_WORKER_TTL", "5s")
    lab = Lab(workspace_folder)
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("gated", 6, instance_count=2)
    gate.wait_calls(2)
    both_up(lab, name)
    frozen = worker_for(lab, gate.calls()[0][1])
    scoring = [p.pid for p in frozen.children(recursive=True)]
    os.kill(frozen.pid, signal.SIGSTOP)
    struck = time.monotonic()
    # What it was scoring ends meanwhile, and its rows are written by nobody.
    gate.open()
    lab.ended(name)
    seconds = time.monotonic() - struck
    until(lambda: all(map(is_gone, [frozen.pid, *scoring])), 10, of="the end of the frozen worker")
    found = examine(lab, name, names(6), user_failures=0)
    tally.trial(kills=1, recovery=seconds, **found.counts())
    assert found.ok, found
    assert seconds < 40
    lab.close()


@pytest.mark.slow
def test_a_stopped_template_does_not_hold_the_job_up(new_lab, tally):
    """It obeys no kill: without help a mini-batch beyond its deadline would stay, and its slot with it."""
    lab, gate = new_lab, new_lab.gate()
    settings = {"max_retries": 1, "timeout": 2}
    lab.deploy(
        "gated", gate.script(), mini_batch_size=1, max_concurrency_per_instance=1, retry_settings=settings
    )
    name = lab.invoke("gated", 4)
    ((_, pid),) = gate.wait_calls(1)
    (template,) = lab.templates()
    template.suspend()
    struck = time.monotonic()
    gate.wait_calls(2)
    tally_seconds = time.monotonic() - struck
    assert is_gone(pid)
    gate.open()
    lab.ended(name)
    found = examine(lab, name, names(4), user_failures=1)
    tally.trial(kills=1, recovery=tally_seconds, **found.counts())
    assert found.ok, found
    assert is_gone(template.pid)


@pytest.mark.nightly
def test_no_worker_comes_for_a_while(new_lab, tier, tally):
    """As on a machine that is short of something: longer than five failing starts take."""
    lab, gate = new_lab, new_lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("gated", 4, max_retries=0)
    gate.wait_calls(1)
    key = lab.root / "compute" / "quick" / "tls" / "key.pem"
    good = key.read_text()
    key.write_text("no key")
    os.kill(worker_of(lab).pid, signal.SIGKILL)
    struck = time.monotonic()
    until(
        lambda: "waits for an instance" in (lab.job(name).status_detail or ""), 15, of="words of the waiting"
    )
    log = lab.root / "compute" / "quick" / "host.log"
    starts = 9 if tier == "nightly" else 6
    until(lambda: log.read_text().count(" left: failed") >= starts, 110, of="failing starts")
    assert lab.status(name) == "Running"
    key.write_text(good)
    gate.open()
    lab.ended(name, 100)
    found = examine(lab, name, names(4), user_failures=0)
    tally.trial(kills=1, recovery=time.monotonic() - struck, **found.counts())
    assert found.ok, found
    assert lab.job(name).status_detail == ""


@pytest.mark.slow
def test_templates_that_are_killed_while_they_start_a_process(new_lab, tally):
    """It is not the script's init() that failed; twice in a row would exclude the instance."""
    lab, gate = new_lab, new_lab.gate()
    slow_init = "import time\n\ndef init():\n    time.sleep(1)\n" + gate.script()
    lab.deploy("slow", slow_init, mini_batch_size=1, max_concurrency_per_instance=1)
    gate.open()
    name = lab.invoke("slow", 4, max_retries=0)
    killed: set[int] = set()
    for _ in range(2):
        scoring = until(
            lambda: [p for t in lab.templates() if t.pid not in killed for p in t.children()],
            of="a scoring process",
        )
        template = psutil.Process(scoring[0].ppid())
        killed.add(template.pid)
        template.kill()
    lab.ended(name)
    examined(lab, tally, name, names(4), kills=2)
