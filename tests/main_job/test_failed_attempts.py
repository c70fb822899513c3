"""What a script can do wrong in run(): each costs an attempt of its own mini-batch, and the logs say what it was."""

from __future__ import annotations

import csv

import psutil
import pytest
from main_job_support import is_gone, until

from batchmagic.errors import JobException

# The name of a file says what happens with it.
HOSTILE = """
import ctypes, os, signal, sys, threading

class Hostile(Exception):
    def __str__(self):
        raise RuntimeError("not even that")

def endless(n):
    return endless(n + 1) + 1

def run(mini_batch):
    what = os.path.basename(mini_batch[0]).split(".")[0]
    if what == "segfault":
        ctypes.string_at(0)
    elif what == "abort":
        os.abort()
    elif what == "exit":
        os._exit(7)
    elif what == "sysexit":
        sys.exit("enough")
    elif what == "recursion":
        endless(0)
    elif what == "interrupt":
        raise KeyboardInterrupt
    elif what == "hostile":
        raise Hostile
    elif what == "unpicklable":
        return threading.Lock()
    elif what == "generator":
        return (1 / n for n in (1, 0))
    elif what == "none":
        return None
    elif what == "text":
        return "a b"
    elif what == "dict":
        return {"a": 1}
    elif what == "error":
        raise ValueError("could not read it")
    return [what]
"""

# What processed_mini-batches.csv and job_error.txt say of each.
SAID = {
    "segfault": ("crash", "crashed with SIGSEGV", "ctypes.string_at(0)"),
    "abort": ("crash", "crashed with SIGABRT", "os.abort()"),
    "exit": ("crash", "ended by itself with exit code 7", "Exited(7)"),
    "sysexit": ("error", "enough", "sys.exit("),
    "recursion": ("error", "maximum recursion depth exceeded", "return endless(n + 1) + 1"),
    "interrupt": ("error", "KeyboardInterrupt", "raise KeyboardInterrupt"),
    "hostile": ("error", "Hostile", "raise Hostile"),
    "unpicklable": ("error", "The actual type of output is _thread.lock", "def run(mini_batch):"),
    "generator": ("error", "division by zero", "return (1 / n for n in (1, 0))"),
    "none": ("error", "WrongResult: run() must return a list", "2 x WrongResult: run() must return a list"),
    "text": ("error", "The actual type of output is str", "def run(mini_batch):"),
    "dict": ("error", "The actual type of output is dict", "def run(mini_batch):"),
    "error": ("error", "could not read it", 'raise ValueError("could not read it")'),
}

FLAKY = """
import os

TRIES = {marks!r}

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(f"{{TRIES}}/{{name}}", "a+") as file:
        file.write("x")
        file.seek(0)
        tries = len(file.read())
    if name == "002.csv" and tries < 3:
        raise OSError(f"try {{tries}} of {{name}}")
    return [name]
"""

FAILING = """
import os

def run(mini_batch):
    bad = [path for path in mini_batch if "bad" in path]
    if bad:
        raise ValueError(f"{os.path.basename(bad[0])} is bad")
    return [os.path.basename(path) for path in mini_batch]
"""

STUCK = """
import ctypes, os, pathlib

MARKS = pathlib.Path({marks!r})

def wait_for_ever():
    ctypes.PyDLL(None).sleep(600)

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    if name == "001.csv" and not (MARKS / "stuck").exists():
        (MARKS / "new").write_text(str(os.getpid()))
        (MARKS / "new").rename(MARKS / "stuck")
        wait_for_ever()
    return [name]
"""


@pytest.fixture(scope="module")
def hostile_job(lab):
    """One job with everything in it, a good file beside each bad one."""
    lab.deploy("hostile", HOSTILE, mini_batch_size=1, retry_settings={"max_retries": 1, "timeout": 60})
    files = [name for bad in SAID for name in (f"{bad}.csv", f"{bad}-good.csv")]
    record = lab.run("hostile", files, error_threshold=-1, output_format="csv")
    order = sorted(files)
    rows = {}
    for row in lab.attempts(record.name):
        rows.setdefault(order[int(row["Mini-batch Id"])].removesuffix(".csv"), []).append(row)
    return record, rows


@pytest.mark.parametrize("bad", SAID)
def test_costs_one_attempt_and_reads_well(lab, hostile_job, bad):
    record, rows = hostile_job
    category, message, line = SAID[bad]
    assert [(r["Picked Count"], r["Status"], r["Error Category"]) for r in rows[bad]] == [
        ("1", "RUN_EXCEPTION", category),
        ("2", "RUN_EXCEPTION", category),
    ]
    assert all(message in r["Error Message"] for r in rows[bad])
    assert [(r["Picked Count"], r["Status"]) for r in rows[f"{bad}-good"]] == [("1", "RUN_DONE")]
    # Errors of one type at one line are one group, with the message of the first.
    assert line in lab.log(record.name, "user/job_error.txt")


def test_the_job_of_all_that_completes(lab, hostile_job):
    record, _ = hostile_job
    assert (record.status, record.progress.files_failed) == ("Completed", len(SAID))
    rows = list(csv.DictReader(lab.lines(record.name)))
    assert [row["file"] for row in rows] == sorted(f"{bad}-good.csv" for bad in SAID)
    with (lab.logs(record.name) / "failed_files.csv").open() as file:
        listed = {row["file"]: row["reason"] for row in csv.DictReader(file)}
    assert sorted(listed) == sorted(f"{bad}.csv" for bad in SAID)
    assert "SIGSEGV" in listed["segfault.csv"]
    assert lab.client.jobs.errors(record.name)["count"].sum() == 2 * len(SAID)


def test_stuck_in_c_with_the_interpreter_lock_held(lab):
    gate = lab.gate()
    lab.deploy(
        "stuck", gate.script(STUCK), mini_batch_size=1, retry_settings={"max_retries": 1, "timeout": 1}
    )
    name = lab.invoke("stuck", 6)
    pid = int(until(lambda: (m := gate.folder / "stuck").exists() and m.read_text()))
    assert not is_gone(pid)
    until(lambda: is_gone(pid), 1 + 2, of="the end of the stuck process")
    lab.assert_sound(lab.ended(name), files=6)
    assert lab.failed_attempts(name) == {1: 1}
    late = next(r for r in lab.attempts(name) if r["Status"] != "RUN_DONE")
    assert late["Status"] == "RUN_TIMEOUT"
    assert 1 <= float(late["Elapsed Seconds"]) < 2
    errors = lab.log(name, "user/job_error.txt")
    assert "run() took longer than 1 s" in errors
    assert "score.py, line 7, in wait_for_ever:   ctypes.PyDLL(None).sleep(600)" in errors


def test_fails_twice_then_succeeds(lab):
    gate = lab.gate()
    lab.deploy("flaky", gate.script(FLAKY), mini_batch_size=1)
    record = lab.run("flaky", 5, max_retries=2)
    lab.assert_sound(record, files=5)
    assert record.progress.retried == 2
    picked = [
        (r["Picked Count"], r["Status"]) for r in lab.attempts(record.name) if r["Mini-batch Id"] == "2"
    ]
    assert picked == [("1", "RUN_EXCEPTION"), ("2", "RUN_EXCEPTION"), ("3", "RUN_DONE")]
    assert "0 files failed for good" in lab.log(record.name, "user/job_error.txt")


@pytest.fixture(scope="module")
def failing(lab):
    return lab.deploy("failing", FAILING, mini_batch_size=1, retry_settings={"max_retries": 0, "timeout": 60})


@pytest.mark.parametrize(
    ("bad", "threshold", "size", "status"),
    [
        (2, 2, 1, "Completed"),
        (3, 2, 1, "Failed"),
        (1, 0, 1, "Failed"),
        (1, 2, 2, "Completed"),
        (1, 2, 3, "Failed"),
        (5, -1, 1, "Completed"),
    ],
)
def test_error_threshold_counts_files(lab, failing, bad, threshold, size, status):  # noqa: PLR0917
    files = [f"bad{n}.csv" for n in range(bad)] + [f"good{n}.csv" for n in range(6)]
    record = lab.run(failing, files, error_threshold=threshold, mini_batch_size=size)
    assert record.status == status
    assert record.progress.files_failed == (bad if size == 1 else size)
    if status == "Failed":
        assert (
            record.status_detail
            == f"{record.progress.files_failed} failed file{'s are' if record.progress.files_failed > 1 else ' is'} more than error_threshold={threshold} allows"
        )
        assert not (lab.root / "jobs" / record.name / "outputs" / "score" / "predictions.csv").exists()


def test_a_job_in_which_nothing_succeeds_fails_at_once(lab, failing):
    record = lab.run(failing, [f"bad{n:02d}.csv" for n in range(60)])
    assert record.status == "Failed"
    assert 10 <= record.progress.failed < 60
    assert record.status_detail == f"none of the first {record.progress.failed} mini-batches succeeded"
    with pytest.raises(JobException) as caught:
        lab.client.jobs.result(record.name)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("ValueError: bad")
    assert "score.py, line 7, in run:" in lines[1]
    assert len(lines) <= 8


def test_no_fail_fast_tries_everything(lab, failing):
    record = lab.run(failing, [f"bad{n:02d}.csv" for n in range(15)], fail_fast=False)
    assert (record.status, record.status_detail) == ("Failed", "no mini-batch succeeded")
    assert record.progress.failed == 15


def test_isolate_failures_costs_only_the_bad_file(lab, failing):
    files = ["a.csv", "b.csv", "bad.csv", "c.csv", "d.csv", "e.csv"]
    record = lab.run(failing, files, mini_batch_size=5, isolate_failures=True)
    assert (record.status, record.progress.files_failed) == ("Completed", 1)
    assert lab.lines(record.name) == ["a.csv", "b.csv", "c.csv", "d.csv", "e.csv"]
    assert "bad.csv,0," in lab.log(record.name, "failed_files.csv")
    # The whole mini-batch failed first, and it begins with another file.
    assert "first in bad.csv (mini-batch 0)" in lab.log(record.name, "user/job_error.txt")


def test_no_scoring_process_is_left_after_all_that(lab):
    (worker,) = lab.workers()
    found = [p for template in worker.children() for p in template.children()]
    assert [p for p in found if p.status() != psutil.STATUS_ZOMBIE] == []
