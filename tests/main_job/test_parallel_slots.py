"""Slots and instances: several scoring processes side by side, one output that does not depend on them."""

from __future__ import annotations

import datetime as dt
import re
import resource

import pytest

# The time of a mini-batch is never the same twice, so that results come back in another order each time.
UNEVEN = """
import os, random, time

def init():
    print("pid", os.getpid())

def run(mini_batch):
    time.sleep(random.random() / 50)
    return [os.path.basename(path) for path in mini_batch]
"""

# Every call waits until two instances have begun one.
MEETING = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    (MARKS / f"instance-{{os.getppid()}}").touch()
    while len(list(MARKS.glob("instance-*"))) < 2:
        time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
"""


def spans(rows: list[dict[str, str]]) -> dict[str, list[tuple[float, float]]]:
    """When each process was in run(), from the report on attempts."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        begin = dt.datetime.fromisoformat(row["Process Start Time"]).timestamp()
        found.setdefault(row["Process"], []).append((begin, begin + float(row["Elapsed Seconds"])))
    return found


def overlap(one: list[tuple[float, float]], other: list[tuple[float, float]]) -> float:
    return sum(max(0.0, min(b, d) - max(a, c)) for a, b in one for c, d in other)


@pytest.fixture(scope="module")
def many_files(lab):
    return lab.data(400)


def test_400_files_on_two_slots_twice(lab, many_files):
    lab.deploy("uneven", UNEVEN, mini_batch_size=4)
    first = lab.run("uneven", many_files)
    lab.assert_sound(first, files=400)
    logs = sorted((lab.logs(first.name) / "user" / "stdout" / "i0").iterdir())
    assert [path.name for path in logs] == ["process000.stdout.txt", "process001.stdout.txt"]
    pids = [re.fullmatch(r"pid (\d+)\n", path.read_text())[1] for path in logs]
    assert pids[0] != pids[1]
    times = spans(lab.attempts(first.name))
    assert sorted(times) == ["i0/process000", "i0/process001"]
    assert overlap(times["i0/process000"], times["i0/process001"]) > 0.2

    second = lab.run("uneven", many_files)
    assert [r["Mini-batch Id"] for r in lab.attempts(second.name)] != sorted(
        (r["Mini-batch Id"] for r in lab.attempts(second.name)), key=int
    ), "the mini-batches came back in order; the test shows nothing"
    assert lab.output(second.name) == lab.output(first.name)


def test_instance_count_two_uses_two_workers(lab):
    gate = lab.gate()
    lab.deploy("meeting", gate.script(MEETING), mini_batch_size=1, max_concurrency_per_instance=1)
    record = lab.run("meeting", 12, instance_count=2)
    lab.assert_sound(record, files=12)
    assert sorted(spans(lab.attempts(record.name))) == ["i0/process000", "i1/process000"]
    assert len(lab.workers()) == 2


def test_slots_are_measured_when_nothing_is_said(lab):
    lab.deploy("measured", UNEVEN, mini_batch_size=4, max_concurrency_per_instance=None)
    record = lab.run("measured", 40)
    lab.assert_sound(record, files=40)
    overview = lab.log(record.name, "user/job_progress_overview.txt")
    slots, cores = re.search(r"Instance i0 uses (\d+) slots: (\d+) cores", overview).groups()
    # This process's peak stands for that of a scoring process: on a machine that small memory may decide.
    assert 1 <= int(slots) <= int(cores)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 0
    assert len(spans(lab.attempts(record.name))) <= int(slots)
