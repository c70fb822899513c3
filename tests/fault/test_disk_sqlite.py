"""The ledger on a disk that fails at its n-th write or sync: the state before or after a step, never between."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from batchmagic.workspace.ledger import Ledger

pytestmark = pytest.mark.timeout(300)  # a busy machine is no finding

FOLDER = Path(__file__).parent
CODES = ("full", "io", "sync")


def run(program: str, *arguments: object) -> dict:
    """Return what a program of this folder prints at its end."""
    path = os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, str(FOLDER / program), *(json.dumps(a) for a in arguments)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def take_down(tally, seen: dict) -> None:
    """Add the trials to the table, one of them bad for each problem."""
    for number in range(seen["trials"]):
        tally.trial(bad=number < len(seen["problems"]))
    assert seen["problems"] == []


def test_some_of_all_writes_fail(tally):
    """With strides that have no divisor in common, so that neither step nor kind of page is left out."""
    campaigns = [
        ["wal", "full", False, 3, 29],
        ["wal", "full", True, 5, 43],
        ["wal", "io", True, 2, 47],
        ["wal", "sync", False, 1, 7],
        ["wal", "sync", True, 1, 3],
        ["delete", "full", True, 7, 59],
        ["delete", "io", False, 4, 61],
        ["delete", "sync", False, 2, 17],
    ]
    seen = run("sqlite_faults.py", campaigns)
    assert seen["trials"] > 20
    take_down(tally, seen)


@pytest.mark.nightly
@pytest.mark.timeout(900)
@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_every_single_write_fails(journal, code, persistent, tally):
    seen = run("sqlite_faults.py", [[journal, code, persistent, 1, 1]])
    assert seen["trials"] > 10
    take_down(tally, seen)


def test_a_writer_that_is_killed_inside_the_file_is_rolled_back(tmp_path):
    """With a rollback journal: whoever opens the ledger next finds the state before, be it to read or to write."""
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    (tmp_path / "journal").write_text("delete\n")
    path = os.pathsep.join([str(FOLDER), os.environ.get("PYTHONPATH", "")])
    killed = subprocess.run(
        [sys.executable, str(FOLDER / "hot_journal.py"), str(folder)],
        check=False,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert killed.returncode == -signal.SIGKILL
    assert (folder / "ledger.db-journal").stat().st_size > 0
    reader = Ledger.open(folder, readonly=True)
    assert [c.mini_batch for c in reader.iter_commits()] == [0, 1, 2, 3]
    reader.close()
    assert not (folder / "ledger.db-journal").exists()
    writer = Ledger.open(folder)
    assert writer.begin(epoch=2, run=2, mini_batches=24, files=24)
    writer.close()
