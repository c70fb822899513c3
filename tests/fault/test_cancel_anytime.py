"""A job that is canceled at any moment: it is over soon, nothing of it is left, and nothing is added to it (F08, F09)."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from cancel_support import (
    HOST_SECONDS,
    STEADY,
    STUCK,
    Campaign,
    cancel,
    canceled_within,
    command,
    events,
    gone_within,
    names,
)
from main_job_support import PLAIN, until
from oracle import examine

from batchmagic.cli.main import main
from batchmagic.errors import StateError
from batchmagic.workspace.ledger import Ledger

FILES = 40
# Where in a job the cancel falls, as a share of the time that one takes undisturbed.
MOMENTS = {"anywhere": (0.0, 1.0), "near the end": (0.75, 1.15)}


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    """A source of moments; what fails prints the seed, and `BATCHMAGIC_SEED` repeats it."""
    seed = int(os.environ.get("BATCHMAGIC_SEED", time.time_ns() % 1_000_000))
    request.node.add_report_section("call", "seed", f"BATCHMAGIC_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def campaign(tier, tally):
    """As many trials as the tier has time for."""
    return Campaign(tier, tally)


@pytest.fixture(scope="module")
def steady(lab):
    """A deployment, and how long a job of it takes."""
    gate = lab.gate()
    lab.deploy("steady", gate.script(STEADY), mini_batch_size=1)
    assert lab.run("steady", FILES).status == "Completed"
    began = time.monotonic()
    record = lab.run("steady", FILES)
    assert record.status == "Completed"
    return time.monotonic() - began


def commits(lab, name):
    """Return what the ledger has of the job: commits, and attempts that failed."""
    try:
        ledger = Ledger.open(lab.root / "jobs" / name, readonly=True)
    except FileNotFoundError:
        return []
    try:
        return [*ledger.iter_commits(), *ledger.iter_failures()]
    finally:
        ledger.close()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("where", ["anywhere", pytest.param("near the end", marks=pytest.mark.nightly)])
def test_at_a_random_moment(lab, steady, where, rng, campaign):
    low, high = MOMENTS[where]
    data = lab.data(FILES)
    at_end = {}
    for name in campaign.trials(lambda: lab.invoke("steady", data)):
        time.sleep(steady * rng.uniform(low, high))
        accepted = cancel(lab, name, front_ends=rng.choice([1, 1, 2, 3]))
        if accepted:
            canceled_within(lab, name)
        found = examine(lab, name, None, status="Canceled") if accepted else ended_by_itself(lab, name)
        campaign.tally.trial(**found.counts())
        assert found.ok, (where, found, events(lab, name))
        assert events(lab, name).count((1, "CancelRequested")) <= 1, "more than one request is on record"
        at_end[name] = commits(lab, name)
    # A whole job passes, and nothing has been added to any of them.
    assert lab.run("steady", data).status == "Completed"
    assert {name: commits(lab, name) for name in at_end} == at_end


def ended_by_itself(lab, name):
    """Return what is wrong with a job for whose end it was too late to ask: then it has its whole output."""
    assert lab.ended(name).status == "Completed"
    return examine(lab, name, names(FILES))


def test_hung_in_c_with_a_child_that_hears_no_signal(lab, tally):
    gate = lab.gate()
    lab.deploy("stuck", gate.script(STUCK), mini_batch_size=1)
    name = lab.invoke("stuck", 4)
    pids = [pid for _, pid in gate.wait_calls(2)]
    children = until(lambda: len(found := list(gate.folder.glob("child-*"))) >= 2 and found)
    pids += [int(path.name.removeprefix("child-")) for path in children]
    assert cancel(lab, name, front_ends=3)
    assert cancel(lab, name) or lab.status(name) == "Canceled"
    canceled_within(lab, name)
    gone_within(pids)
    found = examine(lab, name, None, status="Canceled")
    tally.trial(**found.counts())
    assert found.ok, found
    assert [status for _, status in events(lab, name)].count("CancelRequested") == 1


@pytest.fixture
def compute(lab):
    """A new compute, whose host is started when a job needs it."""
    name = lab.new_folder("compute").name
    lab.compute(name, idle=0)
    return name


@pytest.fixture
def gated(lab):
    """A deployment whose mini-batches wait for the test, and its gate."""
    gate = lab.gate()
    return lab.deploy(lab.new_folder("gated").name, gate.script(), mini_batch_size=1), gate


def test_while_it_is_planned(lab, gated, compute, arm, tally):
    with arm("plan.before_about=sleep:3") as strikes:
        name = lab.invoke(gated[0], 4, compute=compute)
        until(lambda: strikes.moments, of="a plan in the making")
    assert lab.status(name) == "Preparing"
    assert cancel(lab, name)
    canceled_within(lab, name)
    found = examine(lab, name, None, status="Canceled")
    tally.trial(**found.counts())
    assert found.ok, found
    assert gated[1].calls() == []
    # What was planned is not planned again.
    gated[1].open()
    lab.client.jobs.resume(name)
    lab.assert_sound(lab.ended(name), files=4)


def test_when_the_output_is_being_put_together_it_is_too_late(lab, compute, arm, capfd):
    lab.deploy("plain", PLAIN, mini_batch_size=1)
    with arm("assemble.before_rename=sleep:5") as strikes:
        name = lab.invoke("plain", 4, compute=compute)
        until(lambda: strikes.moments, of="an output in the making")
    with pytest.raises(StateError, match=r"Finalizing: every mini-batch is done .* too late to cancel"):
        lab.client.jobs.begin_cancel(name)
    assert main(["--workspace", str(lab.root), "job", "cancel", name]) == 2
    assert "too late to cancel" in capfd.readouterr().err
    assert lab.ended(name).status == "Completed"
    assert examine(lab, name, names(4)).ok


def dead(lab, deployment, gate, compute, *, files=4, kept=1):
    """Return a job in the middle of which supervisor and host were killed; `kept` mini-batches are done."""
    gate.open(*(f"{n:03d}.csv" for n in range(kept)))
    name = lab.invoke(deployment, files, compute=compute)
    until(lambda: lab.job(name).progress.completed == kept, of="the first mini-batches")
    gate.wait_calls(kept + 1)
    lab.kill_supervisor_and_host(compute)
    assert lab.status(name) == "Running"
    return name


def test_while_its_host_is_dead(lab, gated, compute, tally):
    deployment, gate = gated
    name = dead(lab, deployment, gate, compute)
    data = Path(lab.job(name).spec.input_path)
    away = data.rename(f"{data}-away")  # what is canceled needs no input any more
    calls = gate.calls()
    assert command(lab, "job", "cancel", name).returncode == 0
    canceled_within(lab, name, HOST_SECONDS)
    record = lab.job(name)
    assert (record.progress.completed, record.progress.running) == (1, 0)
    found = examine(lab, name, None, status="Canceled")
    tally.trial(kills=2, **found.counts())
    assert found.ok, found
    assert "Canceled" in lab.log(name, "user/job_result.txt").splitlines()[0]
    assert gate.calls() == calls, "it was scored once more to be canceled"
    away.rename(data)
    gate.open()
    lab.client.jobs.resume(name)
    lab.assert_sound(lab.ended(name), files=4)


@pytest.mark.slow
def test_a_job_that_would_have_to_wait_for_its_turn_after_the_host_s_death(lab, gated, compute, tally):
    """Its end needs no instance: neither one that another job has, nor one that the compute has not any more."""
    deployment, gate = gated
    lab.compute(compute, max_instances=3, idle=0)
    gate.open("000.csv")
    first = lab.invoke(deployment, 4, compute=compute)
    until(lambda: lab.job(first).progress.completed == 1, of="the first job's first mini-batch")
    both = lab.invoke(deployment, 3, compute=compute, instance_count=2)
    until(lambda: lab.job(both).progress.completed == 1, of="the second job's first mini-batch")
    lab.kill_supervisor_and_host(compute)
    lab.compute(compute, max_instances=1, idle=0)
    assert cancel(lab, both)
    canceled_within(lab, both, HOST_SECONDS)
    found = examine(lab, both, None, status="Canceled")
    tally.trial(kills=2, **found.counts())
    assert found.ok, found
    gate.open()
    lab.client.jobs.wait(first)
    lab.assert_sound(lab.job(first), files=4)


@pytest.mark.slow
def test_while_its_host_is_being_replaced(lab, gated, compute, tally):
    deployment, gate = gated
    gate.open("000.csv")
    name = lab.invoke(deployment, 4, compute=compute)
    until(lambda: lab.job(name).progress.completed == 1, of="the first mini-batch")
    lab.host(compute).kill()
    assert cancel(lab, name)
    canceled_within(lab, name, HOST_SECONDS)
    found = examine(lab, name, None, status="Canceled")
    tally.trial(kills=1, **found.counts())
    assert found.ok, found


@pytest.mark.nightly
def test_whose_hosts_die_as_they_begin(lab, gated, compute, arm, tally):
    name = dead(lab, *gated, compute)
    with arm("claim.after=exit", times=9):
        assert cancel(lab, name)
    canceled_within(lab, name, 3 * HOST_SECONDS)  # four hosts are tried
    tally.trial(kills=2, bad=lab.status(name) != "Canceled")
    assert lab.status(name) == "Canceled"


@pytest.mark.nightly
def test_whose_compute_is_gone(lab, gated, compute, tally):
    name = dead(lab, *gated, compute)
    with lab.client.session.read().database.write() as connection:
        connection.exec_driver_sql("DELETE FROM computes WHERE name = ?", (compute,))
    assert cancel(lab, name)
    canceled_within(lab, name, 3 * HOST_SECONDS)  # four hosts are tried
    tally.trial(kills=2, bad=lab.status(name) != "Canceled")
    assert lab.status(name) == "Canceled"
