"""The end of a run, and a run that ends before it begins."""

from __future__ import annotations

import pytest

from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import JobStatus as S
from batchmagic.scoring.driver import Driver
from batchmagic.scoring.messages import Capacity
from batchmagic.scoring.plan import Plan, list_files
from batchmagic.scoring.spool import spool_of
from batchmagic.scoring.spool_end import forget_retired, is_retired, retire_spool
from batchmagic.workspace import Workspace


@pytest.fixture
def ws(tmp_path):
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


@pytest.fixture
def drive(ws, tmp_path):
    """A function that drives a job that needs no instance, as it was when its host looked."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.csv").touch()
    spec = JobSpec(
        name="one", endpoint="e", deployment="d", deployment_version=1, compute="local", settings=Settings(),
        interpreter=Interpreter(executable="/nowhere/python", version="3", prefix="/nowhere"),
        input_path=str(source), input_type="uri_folder", input_reference="./in",
    )  # fmt: skip
    ws.jobs.submit(spec)
    claim = ws.claims.acquire("compute/local")

    def run(record):
        Driver(
            ws,
            record,
            claim=claim,
            client=None,
            capacity=Capacity(cores=1, memory=1 << 30),
            others=lambda: 0,
            outdated=pytest.fail,
        ).run()
        return ws.jobs.get("one")

    return run


def results(ws):
    return list((ws.job_dir("one") / "logs").rglob("job_result.txt"))


def test_a_job_that_is_canceled_as_its_host_takes_it_is_not_called_failed(ws, drive):
    record = ws.jobs.get("one")
    ws.jobs.request_cancel("one")
    after = drive(record)
    assert (after.status, after.error) == (S.CANCELED, None)
    assert results(ws) == []
    assert not Plan.is_made(ws.job_dir("one"))


def test_the_same_in_a_later_run_leaves_what_the_earlier_one_wrote(ws, drive):
    ws.jobs.transition("one", S.PREPARING)
    folder = ws.job_dir("one")
    Plan.make(
        folder, ws.root / ws.jobs.get("one").spec.input_path, mini_batch_size=1, recursive=False
    ).close()
    ws.jobs.transition("one", S.FAILED)
    ws.jobs.begin_run("one")
    record = ws.jobs.get("one")
    ws.jobs.request_cancel("one")
    assert drive(record).status is S.CANCELED
    assert results(ws) == []
    assert not (folder / "ledger.db").exists()


def test_a_new_run_is_not_begun_with_what_the_former_one_was_to_do(ws, drive):
    record = ws.jobs.get("one")
    ws.jobs.request_cancel("one")
    ws.jobs.begin_run("one")
    assert drive(record).status is S.QUEUED
    assert results(ws) == []


def test_what_is_to_be_canceled_needs_neither_interpreter_nor_plan(ws, drive):
    ws.jobs.transition("one", S.PREPARING)
    record = ws.jobs.request_cancel("one")
    after = drive(record)
    assert (after.status, after.status_detail, after.error) == (S.CANCELED, "canceled", None)
    assert [path.read_text() for path in results(ws)] == ["Job one: Canceled\n"]


def test_whose_interpreter_is_gone_is_canceled_if_that_was_asked_for_meanwhile(ws, drive, monkeypatch):
    record = ws.jobs.transition("one", S.PREPARING)
    asked = iter([False, False])
    monkeypatch.setattr(
        type(ws.jobs),
        "cancel_requested",
        lambda *_: next(asked, None) or (ws.jobs.request_cancel("one"), False)[1],
    )
    assert drive(record).status is S.CANCELED


def test_a_listing_can_be_broken_off_and_leaves_no_plan(tmp_path):
    source, job = tmp_path / "in", tmp_path / "job"
    source.mkdir()
    job.mkdir()
    for number in range(2500):
        (source / str(number)).touch()
    looks = []

    def meanwhile():
        looks.append(1)
        if len(looks) == 2:
            raise LookupError

    with pytest.raises(LookupError):
        Plan.make(job, source, mini_batch_size=1, recursive=False, meanwhile=meanwhile)
    assert not Plan.is_made(job)
    assert len(list_files(source, recursive=False)) == 2500


def test_a_spool_that_is_retired_stays_so_until_the_end_is_told(tmp_path):
    spool = spool_of(tmp_path)
    spool.mkdir()
    (spool / "1-i0-0-0.seg").write_bytes(b"rows")
    assert not is_retired(tmp_path)
    retire_spool(tmp_path)
    assert is_retired(tmp_path)
    assert not spool.exists()
    # The next host finds it so, makes a spool for itself, and ends the same.
    spool.mkdir()
    retire_spool(tmp_path)
    assert is_retired(tmp_path)
    assert not spool.exists()
    forget_retired(tmp_path)
    assert list(tmp_path.iterdir()) == []
