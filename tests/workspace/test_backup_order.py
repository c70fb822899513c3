"""A backup of a workspace that changes while it is taken: what it says and what is in it fit each other."""

from __future__ import annotations

import sqlite3
import tarfile
from contextlib import closing

import pytest

from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.errors import StateError
from batchmagic.workspace import Workspace
from batchmagic.workspace import backup as backups
from batchmagic.workspace.backup import backup
from batchmagic.workspace.launch import host_claim
from batchmagic.workspace.ledger import Commit, Ledger


def unpacked(file, folder):
    with tarfile.open(file) as tar:
        tar.extractall(folder, filter="tar")
    return Workspace.open(folder)


def commit(ws, name, *numbers, epoch=1):
    ledger = Ledger.open(ws.job_dir(name))
    ledger.begin(epoch=epoch, run=1, mini_batches=9, files=9)
    commits = [
        Commit(mini_batch=n, part=0, ok=True, attempt=1, files=1, rows=1, place=("1-a-0.seg", n * 10, 10, 0),
               encoding="csv", columns=())
        for n in numbers
    ]  # fmt: skip
    ledger.commit(
        epoch, commits=commits, failures=[], progress=Progress(mini_batches=9, completed=len(numbers))
    )
    ledger.close()


@pytest.fixture
def running(ws, spec):
    name = ws.jobs.submit(spec()).name
    ws.jobs.transition(name, JobStatus.PREPARING)
    ws.jobs.transition(name, JobStatus.RUNNING)
    (ws.job_dir(name) / "spool").mkdir()
    (ws.job_dir(name) / "spool" / "1-a-0.seg").write_bytes(b"0123456789" * 3)
    commit(ws, name, 0, 1)
    return name


def once(monkeypatch, target, name, act):
    """Do something, once, right before a step of the backup."""
    real, done = getattr(target, name), []

    def before(*args):
        if not done:
            done.append(1)
            act()
        return real(*args)

    monkeypatch.setattr(target, name, before)


def test_the_next_owner_of_the_copy_is_above_every_epoch_that_a_ledger_knows(
    ws, running, tmp_path, monkeypatch
):
    ws.claims.acquire(host_claim("local"))

    def two_hosts_later():
        for _ in range(2):
            epoch = ws.claims.acquire(host_claim("local"), force=True).epoch
        commit(ws, running, epoch=epoch)

    once(monkeypatch, backups._Run, "_take_job", two_hosts_later)
    with unpacked(backup(ws, tmp_path / "b.tar").file, tmp_path / "there") as there:
        assert there.claims.holder(host_claim("local")) is None
        claim = there.claims.acquire(host_claim("local"))
        assert claim.epoch == 4
        Ledger.open(there.job_dir(running)).begin(epoch=claim.epoch, run=1, mini_batches=9, files=9)


def test_rows_that_are_committed_after_the_ledger_was_copied_do_not_matter(
    ws, running, tmp_path, monkeypatch
):
    def more():
        with (ws.job_dir(running) / "spool" / "1-a-0.seg").open("ab") as file:
            file.write(b"0123456789")
        commit(ws, running, 2, 3)

    once(monkeypatch, backups, "segment_ends", more)
    made = backup(ws, tmp_path / "b.tar")
    assert made.notes == ()
    with unpacked(made.file, tmp_path / "there") as there:
        ledger = Ledger.open(there.job_dir(running), readonly=True)
        assert [c.mini_batch for c in ledger.iter_commits()] == [0, 1]
        ledger.close()


def test_a_segment_that_is_missing_in_the_workspace_too_is_noted(ws, running, tmp_path):
    (ws.job_dir(running) / "spool" / "1-a-0.seg").write_bytes(b"0123456789")
    made = backup(ws, tmp_path / "b.tar")
    assert made.notes == (
        f"1 segments of job {running} are not there; a resume scores their mini-batches again.",
    )


def test_a_model_that_is_deleted_meanwhile_is_gone_in_the_copy_too(ws, tmp_path, model_folder, monkeypatch):
    from batchmagic.entities import Model  # noqa: PLC0415

    ws.assets.register_model(Model(name="heart", path=str(model_folder)))
    kept = ws.assets.register_model(Model(name="kept", path=str(model_folder)))
    once(monkeypatch, backups._Run, "_take_snapshots", lambda: ws.assets.delete("model", "heart", "1"))
    made = backup(ws, tmp_path / "b.tar")
    assert made.notes == ()
    with unpacked(made.file, tmp_path / "there") as there:
        assert [model.name for model in there.assets.list("model")] == ["kept"]
        folder = there.root / there.assets.record("model", "kept").directory
        assert sum(path.is_file() for path in folder.rglob("*")) == 1
        assert kept.name == "kept"


def test_a_workspace_that_never_stands_still_is_refused(ws, running, tmp_path, monkeypatch):
    real = backups._Run._take_job
    states = [JobStatus.FAILED, JobStatus.QUEUED]

    def restless(self, name, status):
        real(self, name, status)
        with ws.database.write() as connection:
            states.reverse()
            connection.exec_driver_sql("UPDATE jobs SET status = ?", (states[0].value,))

    monkeypatch.setattr(backups._Run, "_take_job", restless)
    with pytest.raises(StateError, match="too fast to be copied"):
        backup(ws, tmp_path / "b.tar")
    assert [path.name for path in tmp_path.iterdir()] == ["ws"]


def test_the_copies_are_whole_databases_in_the_same_journal_mode(ws, running, tmp_path):
    with unpacked(backup(ws, tmp_path / "b.tar").file, tmp_path / "there") as there:
        for path in (there.root / "workspace.db", there.job_dir(running) / "ledger.db"):
            with closing(sqlite3.connect(path)) as connection:
                assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
