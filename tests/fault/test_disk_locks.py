"""The write lock is held for long: readers do not wait for it, a driver waits and forgets nothing, nobody sees an error."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing

import pytest
from main_job_support import until
from oracle import examine

from batchmagic.workspace import Workspace

pytestmark = pytest.mark.timeout(300)  # a busy machine is no finding

READERS = 8


def watch(root, name, end, times, errors):
    """Ask for the job's state again and again and take down how long each answer took."""
    try:
        with Workspace.open(root) as workspace:
            while not end.is_set():
                began = time.monotonic()
                workspace.jobs.get(name)
                workspace.jobs.list()
                times.append(time.monotonic() - began)
                end.wait(0.02)
    except Exception as error:  # noqa: BLE001 - whatever a user would see
        errors.append(error)


@pytest.mark.parametrize("which", ["workspace.db", pytest.param("ledger.db", marks=pytest.mark.slow)])
def test_readers_and_a_driver_beside_a_lock(lab, which, tier, tally):
    held = 10.0 if tier == "nightly" else 3.0
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    gate.open("000.csv", "001.csv")
    name = lab.invoke("gated", 30)
    until(lambda: lab.job(name).progress.completed == 2, of="two commits")
    epoch = lab.holder().epoch
    end, times, errors = threading.Event(), [], []
    readers = [
        threading.Thread(target=watch, args=(lab.root, name, end, times, errors)) for _ in range(READERS)
    ]
    path = lab.root / which if which == "workspace.db" else lab.root / "jobs" / name / which
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        for reader in readers:
            reader.start()
        gate.open()
        threading.Event().wait(held)
        connection.execute("COMMIT")
    job = lab.ended(name)
    end.set()
    for reader in readers:
        reader.join()
    assert errors == []
    assert len(times) >= READERS
    assert max(times) < held / 2, "a reader has waited for the lock"
    found = examine(lab, job.name, "".join(f"{n:03d}.csv\n" for n in range(30)).encode(), user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found
    assert lab.holder().epoch == epoch, "the host did not survive it"
    assert max(n for n in lab_calls(gate).values()) == 1, "a mini-batch was forgotten and scored again"


def lab_calls(gate):
    """Return how often each file was scored."""
    counts: dict[str, int] = {}
    for first, _ in gate.calls():
        counts[first] = counts.get(first, 0) + 1
    return counts
