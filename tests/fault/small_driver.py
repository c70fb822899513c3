"""The driver of a job without Dask, threads and clock: its real parts, one call at a time."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from stateful_support import fast_folder

from batchmagic.constants import OutputFormat
from batchmagic.errors import Fenced
from batchmagic.scoring import events as e
from batchmagic.scoring.assemble import SpoolDamaged, assemble
from batchmagic.scoring.committer import Committer
from batchmagic.scoring.decisions import Decisions
from batchmagic.scoring.events import Attempt, Kind
from batchmagic.scoring.job_logs import JobLogs
from batchmagic.scoring.own_files import OwnFiles
from batchmagic.scoring.pending import Pending
from batchmagic.scoring.plan import Plan
from batchmagic.scoring.segments import SegmentWriter
from batchmagic.scoring.spool import spool_of
from batchmagic.workspace.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from batchmagic.entities.settings import Settings


class Desk:
    """A folder for one job after the other.

    Its ledger stays open from one driver, and one job, to the next: opening it is most of the work. What a driver
    knows of it is its own.
    """

    def __init__(self) -> None:
        self._home = fast_folder()
        self.folder = Path(self._home.name) / "job"
        self.source = Path(self._home.name) / "input"
        self._ledger: Ledger | None = None

    def begin_job(self) -> None:
        """Leave nothing of the job before but empty tables."""
        for folder in (self.source, *self.folder.glob("*/")):
            shutil.rmtree(folder, ignore_errors=True)
        for folder in (self.folder, self.source):
            folder.mkdir(exist_ok=True)
        self.ledger()
        for (table,) in self.sql("SELECT name FROM sqlite_schema WHERE type = 'table'"):
            self.sql(f"DELETE FROM {table}")

    def ledger(self) -> Ledger:
        """Return the ledger as a new driver has it."""
        if self._ledger is None:
            self._ledger = Ledger.open(self.folder)
            self._raw = sqlite3.connect(self.folder / "ledger.db", isolation_level=None)
        else:
            self._ledger = Ledger(self._ledger._database)
        return self._ledger

    def sql(self, statement: str) -> list[tuple[object, ...]]:
        """Return what a statement gives, without the ledger's help."""
        return self._raw.execute(statement).fetchall()

    def forget_ledger(self) -> None:
        """Let the next driver open the ledger anew."""
        if self._ledger is not None:
            self._raw.close()
            self._ledger.close()
            self._ledger = None

    def close(self) -> None:
        """Remove the folder."""
        self.forget_ledger()
        self._home.cleanup()


class SmallDriver:
    """One host's work on one run of a job.

    Parameters
    ----------
    owner
        Returns the epoch of the claim that is in force.
    ledger
        The caller's.

    Attributes
    ----------
    out
        The leases that are with instances.
    waiting
        What is recorded and not committed.
    writers
        The open segment of each instance.
    """

    def __init__(
        self,
        folder: Path,
        source: Path,
        settings: Settings,
        *,
        epoch: int,
        run: int,
        redo_failed: bool = False,
        owner: Callable[[], int],
        ledger: Ledger,
    ) -> None:
        self.folder, self.epoch, self.settings = folder, epoch, settings
        self._owner = owner
        self.own = OwnFiles(epoch=epoch, fence=self._fence)
        self.plan = Plan.make(
            folder, source, mini_batch_size=settings.mini_batch_size, recursive=False, own=self.own
        )
        self.ledger = ledger
        self.ledger.begin(
            epoch=epoch,
            run=run,
            mini_batches=self.plan.mini_batches,
            files=self.plan.files,
            redo_failed=redo_failed,
        )
        self.ledger.forget_unfinished_parts(epoch, self.plan.files_in)
        spool_of(folder).mkdir(exist_ok=True)
        self.writers: dict[str, SegmentWriter] = {}
        self._decide_anew()

    @contextlib.contextmanager
    def _fence(self) -> Iterator[None]:
        if self._owner() != self.epoch:
            raise Fenced("The job belongs to another driver.", target="job")
        yield

    def _decide_anew(self) -> None:
        progress = self.ledger.recount()
        logs = JobLogs(self.folder, self.own)
        self.committer = Committer(self.ledger, self.epoch, self.plan, logs, progress)
        self.decisions = Decisions(
            self.settings,
            Pending(self.ledger.unfinished(self.plan.mini_batches)),
            self.plan.files_in,
            any_success=self.ledger.any_success(),
            failed_files=progress.files_failed,
        )
        self.out: dict[int, e.Lease] = {}
        self.instances: set[str] = set()
        self.waiting: list[e.Record] = []
        self.handle(e.InstanceDown(""))

    @property
    def stop(self) -> e.Stop | None:
        """How the run has ended."""
        return self.decisions.stopped

    def handle(self, event: e.Event) -> None:
        """Let the decisions see an event and do what they say."""
        if isinstance(event, e.InstanceUp):
            self.instances.add(event.instance)
        elif isinstance(event, e.InstanceDown):
            self.instances.discard(event.instance)
        for command in self.decisions.handle(event):
            if isinstance(command, e.Send):
                self.out[command.lease.number] = command.lease
            elif isinstance(command, e.Record):
                self.waiting.append(command)
                self.committer.record(command)

    def score(self, lease: e.Lease, bad: Collection[str], count: int | None = None) -> e.LeaseReturned:
        """Score the first `count` members as a slot does; files in `bad` raise. The rows are durable then."""
        writer = self.writer(lease.instance)
        attempts = []
        for member in lease.members[:count]:
            files = self.plan.paths_of(member.mini_batch, member.part)
            if any(file in bad for file in files):
                error = {"type": "ValueError", "message": "bad file", "phase": "run"}
                attempts.append(Attempt(member=member, kind=Kind.ERROR, error=error, seconds=0.001))
            else:
                rows = rows_of(files)
                writer.begin()
                writer.write(rows)
                attempts.append(
                    Attempt(
                        member=member,
                        kind=Kind.OK,
                        rows=len(files),
                        place=writer.end(),
                        encoding="azure",
                        seconds=0.001,
                        nbytes=len(rows),
                    )
                )
        writer.sync()
        return e.LeaseReturned(lease.number, tuple(attempts), lease.members[len(attempts) :])

    def writer(self, instance: str) -> SegmentWriter:
        """Return the writer of an instance, which has one slot."""
        if instance not in self.writers:
            self.writers[instance] = SegmentWriter(spool_of(self.folder), f"{self.epoch}-{instance}-0")
        return self.writers[instance]

    def flush(self) -> list[e.Record]:
        """Commit the group and return it."""
        self.committer.flush()
        done, self.waiting = self.waiting, []
        return done

    def finish(self, target: Path) -> list[tuple[int, int]]:
        """Assemble the output; what is missing for it is returned, and scored again then."""
        try:
            assemble(self.ledger, self.folder, target, OutputFormat.AZURE, own=self.own)
        except SpoolDamaged as damaged:
            self.ledger.forget(self.epoch, damaged.keys)
            self._decide_anew()
            return damaged.keys
        return []

    def drop(self) -> None:
        """Leave as a killed process does: nothing that waits is written."""
        for writer in self.writers.values():
            writer.close()
        self.plan.close()


def rows_of(files: list[str]) -> bytes:
    """Return what the script makes of files: one row each, of a length of its own."""
    return b"".join(f"{file} {'x' * (len(file) * 7 % 11)}\n".encode() for file in files)
