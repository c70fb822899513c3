"""The end of a run, and a run that ends before it begins."""

from __future__ import annotations

import pytest

from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.progress import Progress
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import JobStatus as S
from batchmagic.errors import DiskError
from batchmagic.scoring.assignment import make_output_folder
from batchmagic.scoring.driver import Driver
from batchmagic.scoring.ending import MAX_DAMAGED, Ending
from batchmagic.scoring.messages import Capacity
from batchmagic.scoring.plan import Plan, list_files
from batchmagic.scoring.reporter import Reporter
from batchmagic.scoring.spool import spool_of
from batchmagic.scoring.spool_end import forget_retired, is_retired, retire_spool
from batchmagic.workspace import Workspace
from batchmagic.workspace.ledger import Commit, Ledger


@pytest.fixture
def ws(tmp_path):
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


@pytest.fixture
def claim(ws, tmp_path):
    """The claim of a host on whose compute a job is queued."""
    source = tmp_path / "in"
    source.mkdir()
    (source / "a.csv").touch()
    spec = JobSpec(
        name="one", endpoint="e", deployment="d", deployment_version=1, compute="local", settings=Settings(),
        interpreter=Interpreter(executable="/nowhere/python", version="3", prefix="/nowhere"),
        input_path=str(source), input_type="uri_folder", input_reference="./in",
    )  # fmt: skip
    ws.jobs.submit(spec)
    return ws.claims.acquire("compute/local")


@pytest.fixture
def drive(ws, claim):
    """A function that drives a job that needs no instance, as it was when its host looked."""

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


@pytest.fixture
def ended(ws, claim):
    """The job's end and its ledger, which has rows that are not in the spool."""
    record, folder = ws.jobs.transition("one", S.PREPARING), ws.job_dir("one")
    plan = Plan.make(folder, ws.root / record.spec.input_path, mini_batch_size=1, recursive=False)
    ledger = Ledger.open(folder)
    ledger.begin(epoch=1, run=1, mini_batches=1, files=1)
    rows = Commit(
        mini_batch=0, part=0, ok=True, attempt=1, files=1, rows=1,
        place=("1-i0-0-0.seg", 0, 2, 0), encoding="csv",
    )  # fmt: skip
    progress = Progress(mini_batches=1, files=1, completed=1, rows=1)
    ledger.commit(1, commits=[rows], failures=[], progress=progress)
    spool_of(folder).mkdir()
    make_output_folder(record.spec, folder)
    reporter = Reporter(ws, record, claim)
    yield Ending(folder, 1, plan, reporter, restarted=False), ledger
    ledger.close()
    plan.close()


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


def test_rows_that_are_damaged_whenever_they_are_scored_end_the_job(ws, ended):
    ending, ledger = ended
    for _ in range(MAX_DAMAGED):
        assert ending.finish(ledger) == [(0, 0)]
        assert ws.jobs.get("one").status is S.RUNNING
    with pytest.raises(
        DiskError, match=r"damaged or gone at the end 4 times, the last time those of 1 mini-"
    ):
        ending.finish(ledger)
    assert ws.jobs.get("one").status is S.FINALIZING
