"""A workspace on a file system without shared memory for a write-ahead log, forced: everything works, more slowly."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import crashes
import pytest
from main_job_support import Lab
from oracle import examine

from batchmagic.workspace import probe

pytestmark = pytest.mark.timeout(1200)  # a busy machine is no finding

# One of each kind from all points: see `test_crash_points` for all of them with the write-ahead log.
POINTS = (
    "plan.before_about",
    "spool.before_sync",
    "ledger.mid_commit",
    "ledger.after_commit",
    "end.before_terminal",
)
NIGHTLY = ("claim.after", "ledger.begun", "lease.returned", "assemble.before_rename", "end.before_spool")


@pytest.fixture
def slow_lab(workspace_folder, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(probe, "journal_mode", lambda folder: "delete")
        lab = Lab(workspace_folder)
    yield lab
    lab.close()


def test_jobs_survive_kills_without_a_write_ahead_log(slow_lab, arm, tier, tally):
    lab = slow_lab
    assert (lab.root / "journal").read_text() == "delete\n"
    lab.deploy("crashing", crashes.SCRIPT.format(calls=str(lab.folder / "calls")), mini_batch_size=1)
    for point in (*POINTS, *NIGHTLY) if tier == "nightly" else POINTS[2:3]:
        lab.compute(point.replace(".", "-").replace("_", "-"), idle=0)
        with arm(f"{point}=kill") as strikes:
            name = lab.invoke("crashing", crashes.FILES, compute=point.replace(".", "-").replace("_", "-"))
            recovery = crashes.recoveries(lab, name, strikes)
        found = examine(lab, name, crashes.expected(), user_failures=0)
        tally.trial(kills=len(strikes.moments), recovery=recovery, **found.counts())
        assert len(strikes.moments) == 1
        assert found.ok, (point, found)
        for database in (lab.root / "workspace.db", lab.root / "jobs" / name / "ledger.db"):
            with closing(sqlite3.connect(database)) as connection:
                assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
            assert not database.with_name(f"{database.name}-wal").exists()
