"""Plan, output and ledger on a disk with ever one page more: what `test_disk_writes` runs on a small disk."""

from __future__ import annotations

import queue
import sys
from typing import TYPE_CHECKING, Any

from ledger_work import GROUP, LAST, MINI_BATCHES, Work, output, state
from small_disk import fill

from batchmagic.constants import OutputFormat
from batchmagic.entities import AmlCompute
from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import JobStatus
from batchmagic.errors import DiskError
from batchmagic.scoring.assemble import assemble
from batchmagic.scoring.last_words import LastWords
from batchmagic.scoring.messages import HostStopping
from batchmagic.scoring.plan import Plan
from batchmagic.workspace import Workspace, reserve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PAGE = 4096


def _page_by_page(disk: Path, act: Callable[[], object], check: Callable[..., None]) -> int:
    """Do `act` with 0, 1, 2, … free pages until it succeeds; `check` is told whether it did, with room again."""
    for pages in range(4000):
        filler = fill(disk, left=pages * PAGE)
        try:
            act()
        except DiskError as error:
            said = str(error)
            filler.unlink()
            check(done=False)
            assert f"the disk at {disk} is full" in said, said
        else:
            filler.unlink()
            check(done=True)
            return pages
    raise AssertionError("it never succeeded")


def plan(disk: Path) -> dict[str, Any]:
    """A plan is there or not, and half of one takes no room."""
    source = disk / "data"
    source.mkdir()
    for number in range(600):
        (source / f"{number:04d}-{'long' * 20}.csv").touch()
    job = disk / "ws" / "jobs" / "one"
    job.mkdir(parents=True)

    def check(*, done: bool) -> None:
        assert Plan.is_made(job) is done
        if not done:
            assert [p for p in job.rglob("*") if p.is_file()] == []

    tries = _page_by_page(
        disk, lambda: Plan.make(job, source, mini_batch_size=3, recursive=False).close(), check
    )
    made = Plan.open(job)
    assert (made.mini_batches, len(made.paths_of(199))) == (200, 3)
    made.close()
    return {"trials": tries}


def assembly(disk: Path) -> dict[str, Any]:
    """An output is what it was before, until it is whole; what did not become one is gone."""
    job = disk / "ws" / "jobs" / "one"
    job.mkdir(parents=True)
    work = Work(job)
    for number in range(LAST):
        work.step(number)
    work.commit([5])
    target = disk / "out" / "predictions.csv"
    target.parent.mkdir()
    target.write_bytes(b"before")

    def check(*, done: bool) -> None:
        assert [p.name for p in target.parent.iterdir()] == [target.name]
        assert target.read_bytes() == (output() if done else b"before")

    tries = _page_by_page(disk, lambda: assemble(work.ledger, job, target, OutputFormat.CSV), check)
    work.close()
    return {"trials": tries}


def ledger(disk: Path) -> dict[str, Any]:
    """Nothing is committed without its rows, and the same driver goes on where it stopped."""
    job = disk / "ws" / "jobs" / "one"
    job.mkdir(parents=True)
    work = Work(job)
    work.step(0)
    trials = 0
    for number in range(1, 1 + MINI_BATCHES // GROUP):
        before = state(work.ledger)

        def check(*, done: bool, before: dict[str, Any] = before) -> None:
            assert (state(work.ledger) == before) is not done

        trials += _page_by_page(disk, lambda number=number: work.step(number), check)
    assert work.finish() == output()
    work.close()
    return {"trials": trials}


def last_words(disk: Path) -> dict[str, Any]:
    """Not one page is left, and nothing becomes free: what was held back is enough to tell the job."""
    with Workspace.find(disk / "ws", create=True) as workspace:
        workspace.computes.put(AmlCompute(name="quick"))
        interpreter = Interpreter(executable=sys.executable, version="3.11", prefix=sys.prefix)
        job = workspace.jobs.submit(
            JobSpec(
                name="",
                endpoint="e",
                deployment="d",
                deployment_version=1,
                compute="quick",
                settings=Settings(),
                interpreter=interpreter,
                input_path="/data",
                input_type="uri_folder",
                input_reference="./data",
            )
        )
        claim = workspace.claims.acquire("compute/quick")
        workspace.jobs.transition(job.name, JobStatus.PREPARING, claim=claim)
        assert reserve.hold(workspace.compute_dir("quick"))
        fill(disk)
        inbox: queue.Queue[Any] = queue.Queue()
        inbox.put(HostStopping())
        for number in range(10_000):
            # What SQLite has of the disk already is used up.
            try:
                workspace.jobs.set_detail(job.name, f"{number}" * 5000, claim=claim)
            except DiskError as error:
                LastWords(workspace, workspace.jobs.get(job.name), claim, inbox).say(error, None)
                break
        told = workspace.jobs.get(job.name)
        assert told.status is JobStatus.FAILED, told
        assert f"the disk at {disk} is full" in told.status_detail
        return {"trials": 1}
