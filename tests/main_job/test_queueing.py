"""More than one job: beside each other while instances are free, then first in, first out; and an end to idleness."""

from __future__ import annotations

import pytest
from main_job_support import PLAIN, until


@pytest.fixture
def busy(lab):
    """A compute of one instance that a gated job holds."""
    lab.compute("single", max_instances=1)
    gate = lab.gate()
    lab.deploy("slow", gate.script(), compute="single", mini_batch_size=1, max_concurrency_per_instance=1)
    lab.deploy("plain", PLAIN, compute="single")
    name = lab.invoke("slow", 3)
    gate.wait_calls(1)
    yield name, gate
    gate.open()
    lab.ended(name)


def test_beside_each_other_on_local(lab):
    gate = lab.gate()
    lab.deploy("slow", gate.script(), compute="local", mini_batch_size=1)
    lab.deploy("short", PLAIN, compute="local")
    slow = lab.invoke("slow", 4)
    gate.wait_calls(2)
    lab.assert_sound(lab.run("short", 30), files=30)
    assert lab.status(slow) == "Running"
    gate.open()
    lab.assert_sound(lab.ended(slow), files=4)


def test_one_instance_is_given_in_order(lab, busy):
    first, gate = busy
    second, third = lab.invoke("plain", 5), lab.invoke("plain", 6)
    until(lambda: lab.job(third).status_detail, of="words on what it waits for")
    assert lab.status(first) == "Running"
    assert lab.status(second) == lab.status(third) == "Queued"
    assert lab.job(second).status_detail == "place 1 in the queue, waits for 1 instance (0 of 1 free)"
    assert (
        lab.job(third).status_detail
        == f"place 2 in the queue, waits for 1 instance (0 of 1 free), after {second}"
    )
    gate.open()
    lab.assert_sound(lab.ended(third), files=6)
    lab.assert_sound(lab.job(second), files=5)
    records = [lab.job(name) for name in (first, second, third)]
    assert [r.started_at for r in records] == sorted(r.started_at for r in records)
    assert records[1].started_at >= records[0].ended_at


def test_canceled_in_the_queue(lab, busy):
    waiting = lab.invoke("plain", 5)
    lab.client.jobs.begin_cancel(waiting)
    record = lab.job(waiting)
    assert record.status == "Canceled"
    assert record.started_at is None
    busy[1].open()
    lab.ended(busy[0])
    after = lab.run("plain", 2)
    lab.assert_sound(after, files=2)
    assert lab.status(waiting) == "Canceled"
    assert not (lab.root / "jobs" / waiting / "logs").exists()


def test_nothing_is_left_after_the_idle_time(lab):
    lab.compute("fleeting", idle=1)
    lab.deploy("fleeting", PLAIN, compute="fleeting")
    lab.assert_sound(lab.run("fleeting", 20), files=20)
    host, below, supervisor = lab.host("fleeting"), lab.below_host("fleeting"), lab.supervisor("fleeting")
    assert below
    assert {host.pid, supervisor} < {p.pid for p in lab.place.processes()}
    # The other computes of this workspace may still be up; these leave without being asked to.
    theirs = {supervisor, host.pid, *(p.pid for p in below)}
    until(lambda: not theirs & {p.pid for p in lab.place.processes()}, 1 + 10, of="the end of them all")
    assert lab.holder("fleeting") is None
