"""A job that is stopped and resumed at any moment, again and again: only what is not done is done again (F02, F37)."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from cancel_support import STEADY, Campaign, cancel, canceled_within, events, names, scored
from main_job_support import until
from oracle import examine

from batchmagic.errors import InputError, StateError
from batchmagic.workspace.ledger import Ledger

FILES = 60

# Fails as long as the test says so, and opens its file.
MOODY = """
import os, pathlib

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
    with open(mini_batch[0]) as file:
        text = file.read()
    if (MARKS / f"fail-{{name}}").exists():
        raise ValueError(f"not {{name}}")
    if text == "wait":
        while not (MARKS / "open").exists():
            pass
    return [f"{{name}} {{text.splitlines()[0]}}"]
"""


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A source of moments; what fails prints the seed, and `BATCHMAGIC_SEED` repeats it."""
    seed = int(os.environ.get("BATCHMAGIC_SEED", time.time_ns() % 1_000_000))
    request.node.add_report_section("call", "seed", f"BATCHMAGIC_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def compute(lab):
    """A new compute, whose host leaves as soon as it has nothing to do."""
    name = lab.new_folder("compute").name
    lab.compute(name, idle=0)
    return name


@pytest.fixture
def moody(lab):
    """A deployment of the script above without retries, and its gate."""
    gate = lab.gate()
    name = lab.new_folder("moody").name
    lab.deploy(name, gate.script(MOODY), mini_batch_size=1, retry_settings={"max_retries": 0, "timeout": 60})
    return name, gate


def committed(lab, name):
    """Return the first files of the mini-batches that are committed, and the segments that hold rows."""
    try:
        ledger = Ledger.open(lab.root / "jobs" / name, readonly=True)
    except FileNotFoundError:
        return set(), set()
    try:
        return {f"{c.mini_batch:03d}.csv" for c in ledger.iter_commits()}, ledger.segments_in_use()
    finally:
        ledger.close()


@pytest.mark.timeout(1800)
def test_canceled_and_resumed_again_and_again(lab, rng, tier, tally):
    gate = lab.gate()
    lab.deploy("steady", gate.script(STEADY), mini_batch_size=1)
    for _ in Campaign(tier, tally).trials(lambda: "", most=2 if tier == "push" else 20):
        found, runs = stop_and_go(lab, gate, rng, rounds=5 if tier == "push" else 10)
        tally.trial(**found.counts())
        assert found.ok, found
        assert runs > 1


def stop_and_go(lab, gate, rng, *, rounds):
    """Cancel and resume a job at random moments until it completes; return what is wrong and how many runs it took."""
    name = lab.invoke("steady", FILES)
    run = 1
    resumed: list[tuple[int, set[str]]] = []
    while run <= rounds:
        time.sleep(rng.uniform(0, 0.8))
        if not cancel(lab, name):
            break
        canceled_within(lab, name)
        done, segments = committed(lab, name)
        spool = lab.root / "jobs" / name / "spool"
        assert {path.name for path in spool.glob("*")} == segments, "more is kept than what is committed"
        resumed.append((len(gate.calls()), done))
        assert lab.client.jobs.resume(name).run == run + 1
        run += 1
    lab.ended(name)
    for before, done in resumed:
        again = set(scored(gate)[before:]) & done
        assert not again, f"done already, and done again: {again}"
    logs = lab.log(name, "user/job_progress_overview.txt")
    begun = {
        int(line.split("Run ")[1].split(",")[0]) for line in logs.splitlines() if " scores with " in line
    }
    assert begun <= set(range(1, run + 1))
    assert run in begun
    assert (lab.job(name).run, events(lab, name)[-1]) == (run, (run, "Completed"))
    return examine(lab, name, names(FILES)), run


def ended_host(lab, compute):
    """Wait until the compute has no host, so that the next one is a new process."""
    until(lambda: lab.holder(compute) is None, of="the end of the host")


@pytest.mark.slow
def test_a_redo_that_is_killed_before_its_first_commit_is_not_forgotten(lab, moody, compute, arm, tally):
    name, gate = moody
    (gate.folder / "fail-001.csv").touch()
    job = lab.invoke(name, 4, compute=compute)
    assert lab.ended(job).progress.files_failed == 1
    ended_host(lab, compute)
    (gate.folder / "fail-001.csv").unlink()
    before = len(gate.calls())
    with arm("ledger.begun=kill") as strikes:
        lab.client.jobs.resume(job, redo_failed=True)
        lab.ended(job)
    assert len(strikes.moments) == 1
    assert scored(gate)[before:] == ["001.csv"]
    found = examine(lab, job, b"".join(b"%03d.csv a,b\n" % n for n in range(4)))
    tally.trial(kills=1, **found.counts())
    assert found.ok, found
    assert lab.job(job).progress.files_failed == 0


def test_a_host_that_dies_between_the_output_and_the_last_state_does_nothing_again(
    lab, moody, compute, arm, tally
):
    name, gate = moody
    with arm("end.before_result=kill") as strikes:
        job = lab.invoke(name, 4, compute=compute)
        lab.ended(job)
    assert len(strikes.moments) == 1
    assert Counter(scored(gate)) == Counter(f"{n:03d}.csv" for n in range(4)), "done work was done again"
    found = examine(lab, job, b"".join(b"%03d.csv a,b\n" % n for n in range(4)))
    tally.trial(kills=1, **found.counts())
    assert found.ok, found
    assert not list((lab.root / "jobs" / job).glob("spool*"))


@pytest.mark.slow
def test_a_run_that_is_canceled_cannot_be_resumed_before_it_has_ended(lab, moody, compute):
    name, gate = moody
    data = lab.data(3)
    (data / "001.csv").write_text("wait")
    job = lab.invoke(name, data, compute=compute)
    until(lambda: "001.csv" in scored(gate), of="the mini-batch that waits")
    lab.kill_supervisor_and_host(compute)
    lab.client.session.read().jobs.request_cancel(job)  # nobody is told to look for a host
    with pytest.raises(StateError, match="is being canceled") as refused:
        lab.client.jobs.resume(job)
    assert "as soon as it is Canceled" in refused.value.hint
    lab.client.jobs.wait(job)
    assert lab.status(job) == "Canceled"
    (gate.folder / "open").touch()
    lab.client.jobs.resume(job)
    assert lab.ended(job).status == "Completed"


@pytest.mark.slow
def test_an_input_that_changes_in_the_middle(lab, moody, compute, tally):
    """The plan stays; a file that has gone costs its own mini-batch, one that has come is none of the job's."""
    name, gate = moody
    data = lab.data(6)
    for number in (4, 5):
        (data / f"{number:03d}.csv").write_text("wait")
    job = lab.invoke(name, data, compute=compute)
    until(lambda: {"004.csv", "005.csv"} <= set(scored(gate)), of="the mini-batches that wait")
    until(lambda: committed(lab, job)[0], of="a commit")
    lab.kill_supervisor_and_host(compute)
    (data / min(committed(lab, job)[0])).unlink()  # done, and never looked at again
    (data / "004.csv").write_text("edited\n")
    (data / "005.csv").unlink()
    (data / "0000.csv").write_text("new\n")
    (data / "zzz.csv").write_text("new\n")
    lab.client.jobs.wait(job)
    record = lab.job(job)
    tally.trial(kills=2)
    assert (record.status, record.progress.completed, record.progress.failed) == ("Completed", 5, 1)
    assert lab.lines(job) == [*(f"00{n}.csv a,b" for n in range(4)), "004.csv edited"]
    (failed,) = lab.log(job, "failed_files.csv").splitlines()[1:]
    assert failed.startswith("005.csv,5,")
    assert "No such file" in failed
    # Once it is back, it is all that is left to do.
    (data / "005.csv").write_text("back\n")
    before = len(gate.calls())
    lab.client.jobs.resume(job, redo_failed=True)
    assert lab.ended(job).status == "Completed"
    assert scored(gate)[before:] == ["005.csv"]
    assert lab.lines(job)[5] == "005.csv back"


@pytest.mark.slow
def test_an_input_that_is_gone_altogether(lab, moody, compute):
    name, gate = moody
    data = lab.data(3)
    (data / "001.csv").write_text("wait")
    job = lab.invoke(name, data, compute=compute)
    until(lambda: "001.csv" in scored(gate), of="the mini-batch that waits")
    assert cancel(lab, job)
    canceled_within(lab, job)
    away = Path(f"{data}-away")
    data.rename(away)
    with pytest.raises(InputError, match="is not there any more"):
        lab.client.jobs.resume(job)
    assert (lab.status(job), lab.job(job).run) == ("Canceled", 1)
    away.rename(data)
    (data / "001.csv").write_text("back\n")
    lab.client.jobs.resume(job)
    assert lab.ended(job).status == "Completed"
    assert lab.lines(job) == ["000.csv a,b", "001.csv back", "002.csv a,b"]


@pytest.mark.nightly
def test_a_job_that_was_given_up_goes_on_where_it_was(lab, moody, compute, arm, tally):
    name, gate = moody
    data = lab.data(5)
    (data / "002.csv").write_text("wait")
    job = lab.invoke(name, data, compute=compute)
    until(lambda: committed(lab, job)[0], of="a commit")
    done = committed(lab, job)[0]
    lab.kill_supervisor_and_host(compute)
    # As many as it takes: who resumes must not get one more of them.
    with arm("claim.after=exit", times=4):
        lab.client.jobs.get(job)  # one look, so that one supervisor sees all of them
        until(lambda: lab.status(job) == "NotResponding", 90, of="the end of its hosts")
    assert lab.job(job).progress.running == 0
    (data / "002.csv").write_text("x\n")
    before = len(gate.calls())
    lab.client.jobs.resume(job)
    assert lab.ended(job).status == "Completed"
    tally.trial(kills=6)
    assert not set(scored(gate)[before:]) & done
    assert len(lab.lines(job)) == 5
