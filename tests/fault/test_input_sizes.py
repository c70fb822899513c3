"""Very many files, and one very large file: planned in time, and never read by those who only plan (F38)."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest
from main_job_support import until

MANY = 100_000
LARGE = 5 << 30
PLAN_SECONDS = 10
PLAN_MIB = 300
READ_MIB = 200

PLAN = """
import json, resource, sys, time
from pathlib import Path
from batchmagic.scoring.plan import Plan

began = time.monotonic()
plan = Plan.make(Path(sys.argv[1]), Path(sys.argv[2]), mini_batch_size=10, recursive=False)
took = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform == "darwin" else 1024)
print(json.dumps([plan.mini_batches, plan.files, took, peak / (1024 if sys.platform == "darwin" else 1)]))
"""

SIZES = """
import os, pathlib

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    with open(MARKS / "run", "a") as file:
        file.write(f"{{os.path.basename(mini_batch[0])}} {{os.getpid()}}\\n")
    while not (MARKS / "open").exists():
        pass
    return [os.path.getsize(path) for path in mini_batch]
"""

COUNT = """
def run(mini_batch):
    return [len(mini_batch)]
"""

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many") / "in"
    folder.mkdir()
    for number in range(MANY):
        (folder / f"{number:06d}.csv").touch()
    return folder


def test_a_hundred_thousand_files_are_planned(many, tmp_path, tally, record_property):
    answer = subprocess.run(
        [sys.executable, "-c", PLAN, str(tmp_path), str(many)], capture_output=True, check=True
    )
    mini_batches, files, seconds, mib = json.loads(answer.stdout)
    record_property("planned in seconds", round(seconds, 2))
    record_property("memory in MiB", round(mib))
    tally.trial(bad=seconds > PLAN_SECONDS or mib > PLAN_MIB)
    assert (mini_batches, files) == (MANY // 10, MANY)
    assert seconds < PLAN_SECONDS
    assert mib < PLAN_MIB


def test_a_hundred_thousand_files_are_scored(lab, many, tally):
    lab.deploy("count", COUNT, mini_batch_size=1000)
    began = time.monotonic()
    job = lab.invoke("count", many)
    until(lambda: lab.status(job) not in {"Queued", "Preparing"}, 100, of="the end of planning")
    planned = time.monotonic() - began
    record = lab.ended(job, 300)
    assert (record.status, record.progress.files, record.progress.rows) == ("Completed", MANY, MANY // 1000)
    assert lab.lines(job) == ["1000"] * (MANY // 1000)
    tally.trial()
    assert planned < 4 * PLAN_SECONDS, "with the start of host and instance"


def test_five_gigabytes_are_read_by_nobody_but_the_script(lab, tally):
    gate = lab.gate()
    lab.deploy("sizes", gate.script(SIZES), mini_batch_size=1)
    folder = lab.new_folder("large")
    folder.mkdir()
    with (folder / "large.bin").open("wb") as file:
        file.truncate(LARGE)
    job = lab.invoke("sizes", folder)
    ((_, scoring),) = gate.wait_calls(1)
    host = lab.host()
    ours = [host, *(p for p in lab.below_host() if p.pid != scoring)]
    before = {process.pid: read_by(process) for process in ours}
    gate.open()
    assert lab.ended(job).status == "Completed"
    assert lab.lines(job) == [str(LARGE)]
    grown = sum(read_by(process) - before[process.pid] for process in ours if process.is_running())
    whole = read_by(host)
    tally.trial(bad=grown + whole > READ_MIB << 20)
    assert grown < READ_MIB << 20
    assert whole < READ_MIB << 20
    assert host.memory_info().rss < 1 << 30


def read_by(process: psutil.Process) -> int:
    """Return the bytes that a process has read, from whatever it was."""
    try:
        return process.io_counters().read_chars
    except (psutil.Error, AttributeError):
        return 0
