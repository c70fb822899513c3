"""What an instance does with leases: by the functions that the driver calls through Dask, on real processes."""

from __future__ import annotations

import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from batchmagic.scoring import instance
from batchmagic.scoring import slot as slots
from batchmagic.scoring.events import Kind, Member
from batchmagic.scoring.lease_queue import LeaseQueue
from batchmagic.scoring.spool import write_nonce
from batchmagic.scoring.wire import LeaseReply, LeaseRequest

_JOB = "job:1:1"
_SLOW_THEN_QUICK = """import time
def run(mb):
    if mb == ['/slow']: time.sleep(600)
    return list(mb)
"""


@pytest.fixture
def job(tmp_path):
    """The folder of a job with one slot, which the instance has been told of."""
    instance.prepare_job(described(tmp_path, _SLOW_THEN_QUICK))
    yield tmp_path
    instance.end_job(_JOB)


def described(tmp_path, source, **others):
    """Return the frame that tells of a job."""
    (tmp_path / "code").mkdir()
    script = tmp_path / "code" / "score.py"
    script.write_text(source)
    child = {"script": str(script), "code_dir": str(script.parent), "output_format": "csv", "env": {}}
    description = {
        "job": _JOB,
        "instance": "i0",
        "epoch": 1,
        "nonce": write_nonce(tmp_path, 1),
        "job_folder": str(tmp_path),
        "interpreter": sys.executable,
        "variables": dict(os.environ),
        "preload": [],
        "timeout": 900.0,
        "memory_limit": None,
        "private_tmp": False,
        "mlflow": "mlflow/1",
        "init_timeout": 60.0,
        "child": child,
        **others,
    }
    return json.dumps(description).encode()


def run(number, *paths, key=_JOB):
    members = tuple(Member(n) for n in range(len(paths)))
    lease = LeaseRequest(job=key, number=number, slots=1, members=members, files=tuple([p] for p in paths))
    return LeaseReply.unpack(instance.run_lease(lease.pack()), members)


def test_a_lease_that_was_cut_and_given_up_leaves_its_slot_to_others(job, monkeypatch):
    monkeypatch.setattr(slots, "LEASE_BUDGET", 0.1)
    monkeypatch.setattr(slots, "_CUT_SECONDS", 0.6)
    assert run(1, "/a", "/slow", "/c").carried
    with ThreadPoolExecutor(1) as waiting:
        # The driver did not get that reply, and has sent another lease by the time it says so.
        other = waiting.submit(run, 2, "/b")
        instance.give_up_lease(_JOB, 1)
        try:
            reply = other.result(timeout=30)
        finally:
            instance.end_job(_JOB)
    assert [a.kind for a in reply.attempts] == [Kind.OK]


def test_a_lease_whose_members_have_all_ended_is_not_cut(job, monkeypatch):
    """Between the last result and the end of a lease there is a moment; nobody would come for a rest that is none."""
    monkeypatch.setattr(slots, "_CUT_SECONDS", 0.0)
    assert not any(run(number, "/a").carried for number in range(1, 200))


def test_giving_up_what_has_ended_changes_nothing(job):
    assert [a.kind for a in run(1, "/a").attempts] == [Kind.OK]
    instance.give_up_lease(_JOB, 1)
    instance.give_up_lease("none:1:1", 1)
    assert [a.kind for a in run(2, "/b").attempts] == [Kind.OK]


def test_leases_get_their_slots_in_the_order_in_which_they_were_sent():
    queue = LeaseQueue()
    for number in (3, 1, 2):
        queue.enter(number)
    assert [queue.is_first(number) for number in (1, 2, 3)] == [True, False, False]
    queue.leave(1)
    queue.leave(1)
    assert [queue.is_first(number) for number in (2, 3)] == [True, False]


def test_all_leases_that_wait_for_a_slot_get_one(job):
    with ThreadPoolExecutor(20) as many:
        replies = list(many.map(lambda number: run(number, f"/{number}"), range(20, 0, -1)))
    assert [len(reply.attempts) for reply in replies] == [1] * 20


def test_what_scripts_log_travels_where_the_folder_is_not_shared(tmp_path):
    # As MLflow's file store writes it.
    source = """import os, pathlib, urllib.parse
def run(mini_batch):
    store = pathlib.Path(urllib.parse.urlsplit(os.environ["MLFLOW_TRACKING_URI"]).path)
    for kind, text in (("metrics", "1000 1 1\\n"), ("params", "x"), ("tags", "y")):
        (store / "0" / "run" / kind).mkdir(parents=True, exist_ok=True)
        with open(store / "0" / "run" / kind / "key", "a") as file:
            file.write(text)
    return list(mini_batch)
"""
    key = "far:1:1"
    instance.prepare_job(described(tmp_path, source, job=key, nonce="none"))
    try:
        first, second = (dict(run(number, f"/{number}", key=key).logs) for number in (1, 2))
    finally:
        instance.end_job(key)
    here = "mlflow/1/i0-process000/0/run"
    assert first[f"{here}/metrics/key"] == second[f"{here}/metrics/key"] == b"1000 1 1\n"
    assert first[f"{here}/params/key"] == b"x"
    assert not any("tags" in name for name in first)
    assert not (tmp_path / "mlflow").exists()
