"""Cancel at any moment, and going on from where a job stopped: what is committed is never scored again."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from main_job_support import PATIENCE, is_gone, until

from batchmagic.errors import JobCanceled, StateError

GATED_INIT = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def init():
    (MARKS / str(os.getpid())).touch()
    while not (MARKS / "open").exists():
        time.sleep(0.01)

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""

# Fails as long as the test says so.
MOODY = """
import os, pathlib

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
    if (MARKS / f"fail-{{name}}").exists():
        raise ValueError(f"not {{name}}")
    return [name]
"""


def cancel(lab, name):
    """Cancel and return the record; it must be Canceled within 10 s, with its scoring processes gone."""
    (template,) = lab.templates()
    scoring = [p.pid for p in template.children()]
    assert scoring
    poller = lab.client.jobs.begin_cancel(name)
    poller.wait(10)
    assert poller.done()
    assert all(is_gone(pid) for pid in scoring)
    return lab.job(name)


def test_canceled_while_running_then_resumed(lab):
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    gate.open("000.csv", "001.csv", "002.csv")
    name = lab.invoke("gated", 10)
    gate.wait_calls(5)
    until(lambda: lab.job(name).progress.completed == 3)
    record = cancel(lab, name)
    assert (record.status, record.progress.completed, record.progress.running) == ("Canceled", 3, 0)
    assert not (lab.root / "jobs" / name / "outputs" / "score" / "predictions.csv").exists()
    with pytest.raises(JobCanceled):
        lab.client.jobs.result(name)
    with pytest.raises(StateError):
        lab.client.jobs.begin_cancel(name)
    attempts, calls = lab.attempts(name), gate.calls()
    assert sorted(row["Mini-batch Id"] for row in attempts) == ["0", "1", "2"]

    gate.open()
    # A whole job passes, and nothing is added to the canceled one.
    lab.assert_sound(lab.run("gated", 10), files=10)
    assert lab.attempts(name) == attempts
    again = len(gate.calls())
    resumed = lab.client.jobs.resume(name)
    assert (resumed.name, resumed.run) == (name, 2)
    record = lab.ended(name)
    lab.assert_sound(record, files=10)
    assert record.run == 2
    scored = Counter(first for first, _ in gate.calls()[again:])
    assert scored == Counter(f"{n:03d}.csv" for n in range(3, 10))
    assert len(calls) == 5


def test_canceled_in_init(lab):
    gate = lab.gate()
    lab.deploy("starting", gate.script(GATED_INIT), mini_batch_size=1)
    name = lab.invoke("starting", 5)
    until(lambda: list(gate.folder.iterdir()), of="a process in init()")
    began = time.monotonic()
    record = cancel(lab, name)
    assert time.monotonic() - began < 10
    assert (record.status, record.progress.completed) == ("Canceled", 0)
    assert lab.attempts(name) == []
    gate.open()
    lab.client.jobs.resume(name)
    lab.assert_sound(lab.ended(name), files=5)


def test_redo_failed_scores_only_what_failed(lab):
    gate = lab.gate()
    retry = {"max_retries": 0, "timeout": 60}
    lab.deploy("moody", gate.script(MOODY), mini_batch_size=1, retry_settings=retry)
    for bad in ("001.csv", "004.csv"):
        (gate.folder / f"fail-{bad}").touch()
    record = lab.run("moody", 6)
    assert (record.status, record.progress.files_failed) == ("Completed", 2)
    assert lab.lines(record.name) == ["000.csv", "002.csv", "003.csv", "005.csv"]
    with pytest.raises(StateError, match="redo"):
        lab.client.jobs.resume(record.name)
    for mark in gate.folder.glob("fail-*"):
        mark.unlink()
    before = len(gate.calls())
    lab.client.jobs.resume(record.name, redo_failed=True)
    record = lab.ended(record.name, PATIENCE)
    assert (record.status, record.run) == ("Completed", 2)
    assert (record.progress.failed, record.progress.files_failed) == (0, 0)
    assert lab.lines(record.name) == [f"{n:03d}.csv" for n in range(6)]
    assert sorted(first for first, _ in gate.calls()[before:]) == ["001.csv", "004.csv"]
    assert not (lab.logs(record.name) / "failed_files.csv").exists()
    assert "0 files failed for good" in lab.log(record.name, "user/job_error.txt")


def test_resume_with_other_settings_after_a_failure(lab):
    gate = lab.gate()
    retry = {"max_retries": 0, "timeout": 60}
    lab.deploy("moody", gate.script(MOODY), mini_batch_size=1, retry_settings=retry)
    (gate.folder / "fail-000.csv").touch()
    record = lab.run("moody", 30, error_threshold=0)
    assert (record.status, record.progress.files_failed) == ("Failed", 1)
    kept = {f"{int(row['Mini-batch Id']):03d}.csv" for row in lab.attempts(record.name)}
    before = len(gate.calls())
    lab.client.jobs.resume(record.name, params_override={"error_threshold": 5})
    record = lab.ended(record.name)
    assert record.status == "Completed", record.status_detail
    assert lab.lines(record.name) == [f"{n:03d}.csv" for n in range(1, 30)]
    assert {first for first, _ in gate.calls()[before:]} == {f"{n:03d}.csv" for n in range(30)} - kept
