"""A job that meets one error of the disk after the other, and jobs of which a file is damaged, edited or gone."""

from __future__ import annotations

import os
import shutil
from collections import Counter

import pytest
from main_job_support import COMPUTE, PLAIN, until
from oracle import examine

from batchmagic import failpoints
from batchmagic.errors import JobCorrupted
from batchmagic.scoring.spool import spool_of
from batchmagic.workspace.ledger import Ledger

pytestmark = pytest.mark.timeout(300)  # a busy machine is no finding

FILES = 24

# In the order in which a job comes to them, each in a process that lives on.
ERRORS = {
    "plan.before_about=raise:ENOSPC": ("No space left", "manifest"),
    "ledger.begun=raise:EIO": ("Input/output error", ""),
    "spool.before_open=raise:EACCES": ("Permission denied", "/spool"),
    "spool.before_sync@2=raise:EDQUOT": ("quota", "/spool/"),
    "ledger.mid_commit=raise:ENOSPC": ("No space left", ""),
    "assemble.mid_write@5=raise:EIO": ("Input/output error", "/outputs/score/predictions.csv"),
    "assemble.before_rename=raise:EXDEV": ("cannot get its name", "/outputs/score/predictions.csv"),
    "end.before_result=raise:EROFS": ("read-only", ""),
}


def test_one_error_of_the_disk_after_the_other(new_lab, monkeypatch, tally):
    """Each ends the run in words that name the file and the disk; no mini-batch is blamed, nothing done is redone."""
    lab = new_lab
    gate = lab.gate()
    monkeypatch.setenv(failpoints.VARIABLE, ",".join(ERRORS))
    lab.compute(COMPUTE, idle=60)
    # One slot: while a run fails, its other leases must not come to a point where nobody hears of it.
    lab.deploy("gated", gate.script(), mini_batch_size=1, max_concurrency_per_instance=1)
    gate.open()
    name = lab.invoke("gated", FILES)
    monkeypatch.delenv(failpoints.VARIABLE)
    met = []
    while (job := lab.ended(name)).status == "Failed":
        met.append(job.status_detail)
        assert job.error["type"] == "DiskError", job.error
        assert str(lab.root / "jobs" / name) in job.status_detail
        assert "the disk at " in job.status_detail
        assert job.progress.failed == 0
        assert lab.failed_attempts(name) == {}
        tally.trial()
        assert len(met) <= len(ERRORS)
        lab.client.jobs.resume(name)
    for point, (words, path) in ERRORS.items():
        assert any(words in detail and path in detail for detail in met), "\n".join([point, *met])
    assert len(met) == len(ERRORS), met
    found = examine(lab, name, "".join(f"{n:03d}.csv\n" for n in range(FILES)).encode(), user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found
    assert lab.holder().epoch == 1, "the host did not survive it"


# --- damage


@pytest.fixture
def canceled(lab):
    """A job with some mini-batches committed, canceled; and the gate of its script, open by now."""
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    done = [f"{n:03d}.csv" for n in range(8)]
    gate.open(*done)
    name = lab.invoke("gated", FILES)
    until(lambda: lab.job(name).progress.completed == len(done), of="eight commits")
    gate.wait_calls(len(done) + 2)
    lab.client.jobs.begin_cancel(name).wait(30)
    assert lab.job(name).status == "Canceled"
    gate.open()
    return name, gate


def _flip(folder):
    path = folder / "ledger.db"
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(byte ^ 0x5A for byte in content[4096:8192]) + content[8192:])
    return path


def _cut(folder):
    path = folder / "ledger.db"
    path.write_bytes(path.read_bytes()[:5000])
    return path


def _no_database(folder):
    path = folder / "ledger.db"
    path.write_text("a,b\n" * 2000)
    return path


def _no_ledger(folder):
    (folder / "ledger.db").unlink()
    return folder / "ledger.db"


def _empty_ledger(folder):
    (folder / "ledger.db").unlink()
    Ledger.open(folder).close()
    return folder / "ledger.db"


def _other_ledger(folder):
    (folder / "ledger.db").unlink()
    ledger = Ledger.open(folder)
    ledger.begin(epoch=1, run=1, mini_batches=7, files=7)
    ledger.close()
    return folder / "ledger.db"


def _no_plan(folder):
    shutil.rmtree(folder / "manifest")
    return folder / "manifest" / "plan.json"


def _other_plan(folder):
    path = folder / "manifest" / "manifest.jsonl"
    path.write_bytes(path.read_bytes().replace(b"023.csv", b"032.csv"))
    return path


def _no_folder(folder):
    # In one step: the driver that has just ended the job may still be at its last files.
    folder.rename(folder.parents[2] / f"taken-{folder.name}")
    return folder


DAMAGES = (
    _flip,
    _cut,
    _no_ledger,
    _no_plan,
    *(pytest.param(d, marks=pytest.mark.slow) for d in (_no_database, _empty_ledger, _other_ledger)),
    *(pytest.param(d, marks=pytest.mark.slow) for d in (_other_plan, _no_folder)),
)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda d: d.__name__.strip("_"))
def test_a_job_whose_files_are_damaged_or_gone_is_not_begun_anew(lab, canceled, damage, tally):
    name, gate = canceled
    folder = lab.root / "jobs" / name
    until(lambda: not list(folder.glob("ledger.db-*")), of="the end of the driver")
    path = damage(folder)
    before = path.read_bytes() if path.is_file() else None
    calls = len(gate.calls())
    lab.client.jobs.resume(name)
    job = lab.ended(name)
    assert job.status == "Failed"
    assert job.error["type"] == JobCorrupted.__name__, job.error
    assert str(path) in job.status_detail
    assert "batchmagic backup" in job.status_detail
    assert (path.read_bytes() if path.is_file() else None) == before, "it was changed, or made anew"
    assert len(gate.calls()) == calls, "something was scored"
    assert lab.job(name).progress.completed == 8
    # Neither the host nor another job suffers from it.
    lab.assert_sound(lab.run("gated", 4), files=4)
    tally.trial()


def test_only_rows_that_were_edited_or_deleted_are_scored_again(lab, canceled, tally):
    name, gate = canceled
    folder = lab.root / "jobs" / name
    ledger = Ledger.open(folder, readonly=True)
    places = {c.mini_batch: c.place for c in ledger.iter_commits()}
    ledger.close()
    edited, gone = 0, next(p[0] for p in places.values() if p[0] != places[0][0])
    segment, offset, _, _ = places[edited]
    with (spool_of(folder) / segment).open("r+b") as file:
        file.seek(offset)
        file.write(b"X")
    (spool_of(folder) / gone).unlink()
    wanted = {edited, *(n for n, place in places.items() if place[0] == gone)}
    before = len(gate.calls())
    lab.client.jobs.resume(name)
    found = examine(lab, lab.ended(name).name, "".join(f"{n:03d}.csv\n" for n in range(FILES)).encode())
    tally.trial(**found.counts())
    assert found.ok, found
    scored = Counter(first for first, _ in gate.calls()[before:])
    assert scored == Counter(f"{n:03d}.csv" for n in {*range(8, FILES), *wanted})


@pytest.mark.parametrize(
    "what", ["the ledger", "the folder", pytest.param("the bytes", marks=pytest.mark.nightly)]
)
def test_a_ledger_that_vanishes_under_a_running_job_ends_it(lab, what, tally):
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    gate.open("000.csv", "001.csv")
    name = lab.invoke("gated", 12)
    until(lambda: lab.job(name).progress.completed == 2, of="two commits")
    folder = lab.root / "jobs" / name
    if what == "the ledger":
        (folder / "ledger.db").unlink()
    elif what == "the folder":
        folder.rename(lab.folder / f"moved-{name}")
    else:
        with (folder / "ledger.db").open("r+b") as file:
            file.write(os.urandom(file.seek(0, 2)))
    gate.open()
    job = lab.ended(name, 60)
    if job.status == "Completed":
        # SQLite had all that it needed in its log or in memory.
        assert what == "the bytes"
        assert lab.lines(name) == [f"{n:03d}.csv" for n in range(12)]
    else:
        assert job.status == "Failed"
        assert job.error["type"] in {"JobCorrupted", "StoreCorrupted"}, job.error
        assert str(folder) in job.status_detail
    lab.assert_sound(lab.run("gated", 4), files=4)
    tally.trial()
    shutil.rmtree(lab.folder / f"moved-{name}", ignore_errors=True)


def test_the_job_of_the_plain_script_is_sound(lab):
    """The damages above would prove nothing if every job failed."""
    lab.deploy("plain", PLAIN, mini_batch_size=1)
    lab.assert_sound(lab.run("plain", 6), files=6)
