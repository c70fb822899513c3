"""Pruning: what is old and unused goes, what is used stays, and a rehearsal changes nothing."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from workspace_support import tree

from batchmagic.entities import Model
from batchmagic.entities.status import JobStatus
from batchmagic.errors import ValidationException
from batchmagic.workspace.retention import prune

DAY = timedelta(days=1)


@pytest.fixture
def ended(ws, spec):
    def make(name, days):
        job = ws.jobs.submit(spec(name), secrets={"A": "x"})
        (job.folder / "log.txt").write_bytes(b"x" * 1000)
        ws.jobs.transition(name, JobStatus.FAILED)
        with ws.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE jobs SET ended_at = ended_at - ? WHERE name = ?", (days * 86400, name)
            )

    return make


def names(items, kind="job"):
    return [item.name for item in items if item.kind == kind]


def test_old_jobs_go_with_all_they_have(ws, ended, spec):
    ended("old", 40)
    ended("young", 1)
    ws.jobs.submit(spec("waiting"))
    gone = prune(ws, 30 * DAY, dry_run=False)
    assert names(gone) == ["old"]
    assert gone[0].bytes == 1000
    assert [job.name for job in ws.jobs.list()] == ["waiting", "young"]
    assert not ws.job_dir("old").exists()
    assert ws.secrets.get("old") == {}
    assert prune(ws, 30 * DAY, dry_run=False) == []


def test_a_rehearsal_says_the_same_and_changes_nothing(ws, ended):
    ended("old", 40)
    before = tree(ws.root / "jobs"), tree(ws.root / "secrets")
    rehearsed = prune(ws, 30 * DAY, dry_run=True)
    assert (tree(ws.root / "jobs"), tree(ws.root / "secrets")) == before
    assert prune(ws, 30 * DAY, dry_run=False) == rehearsed


def test_the_newest_stay_whatever_their_age(ws, ended):
    for number in range(4):
        ended(f"job{number}", 40)
    assert names(prune(ws, 30 * DAY, keep=3, dry_run=False)) == ["job0"]
    assert len(ws.jobs.list()) == 3


def test_what_nothing_refers_to_goes_after_a_while(ws, tmp_path, model_folder, deployed):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("x = 1\n")
    code = ws.assets.register_code(tmp_path / "code")
    assert prune(ws, DAY, dry_run=False) == []  # a deployment may be about to use it
    ws.assets.register_model(Model(name="kept", path=model_folder))
    os.utime(ws.root / code, (0, 0))
    assert names(prune(ws, DAY, dry_run=False), "snapshot") == [code]
    assert not (ws.root / code).exists()
    assert ws.assets.get("model", "kept").version == "1"
    used = ws.assets.register_code(tmp_path / "code")
    deployed(code_dir=used)
    os.utime(ws.root / used, (0, 0))
    assert prune(ws, DAY, dry_run=False) == []


def test_leftovers_of_interrupted_work_go_after_a_day(ws, spec):
    job = ws.jobs.submit(spec("j" * 255), secrets={"A": "x"})
    left = [ws.root / "jobs" / "gone", ws.root / "assets" / ".incoming" / "ab12", ws.root / "trash" / "x-1"]
    for path in left:
        path.mkdir(parents=True)
        (path / "file").write_bytes(b"x" * 10)
    ws.secrets.put("gone", {"A": "x"})
    left.append(ws.secrets.path("gone"))
    assert prune(ws, DAY, dry_run=False) == []
    for path in (*left, job.folder, ws.secrets.path(job.name)):
        os.utime(path, (0, 0))
    gone = prune(ws, DAY, dry_run=False)
    assert sorted(names(gone, "leftover")) == [
        "assets/.incoming/ab12",
        "jobs/gone",
        "secrets/gone.json",
        "trash/x-1",
    ]
    assert not any(path.exists() for path in left)
    assert ws.secrets.get(job.name) == {"A": "x"}
    assert job.folder.is_dir()


def test_what_a_host_left_that_was_killed_at_the_very_end_of_a_job_goes_after_a_day(ws, spec):
    queued, ended = ws.jobs.submit(spec("queued")), ws.jobs.submit(spec("ended"))
    ws.jobs.transition("ended", JobStatus.FAILED)
    for job in (queued, ended):
        for name in ("work", "spool.done", "spool"):
            (job.folder / name).mkdir()
    assert prune(ws, DAY, dry_run=False) == []
    for path in [*queued.folder.iterdir(), *ended.folder.iterdir()]:
        os.utime(path, (0, 0))
    assert names(prune(ws, DAY, dry_run=False), "leftover") == ["jobs/ended/work", "jobs/ended/spool.done"]
    assert sorted(path.name for path in queued.folder.iterdir()) == ["spool", "spool.done", "work"]
    assert [path.name for path in ended.folder.iterdir()] == ["spool"]


def test_negative_ages_and_numbers_are_refused(ws):
    with pytest.raises(ValidationException, match="older_than"):
        prune(ws, -DAY, dry_run=True)
    with pytest.raises(ValidationException, match="keep"):
        prune(ws, DAY, keep=-1, dry_run=True)
