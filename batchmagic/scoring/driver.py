"""One run of one job: from a claimed job row to one terminal state. A thread of the host runs it."""

from __future__ import annotations

import contextlib
import queue
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmagic import failpoints
from batchmagic.compute.interface import Instance, InstanceJoined, InstanceLeft, LeaveReason
from batchmagic.entities.job_spec import REDO_FAILED
from batchmagic.entities.status import JobStatus
from batchmagic.errors import ComputeError, DiskError, EngineError, JobCanceled, PackagesChanged, SchemaTooNew
from batchmagic.scoring.assignment import assignment, make_output_folder
from batchmagic.scoring.committer import Committer
from batchmagic.scoring.decisions import Decisions
from batchmagic.scoring.dispatch import Dispatcher, LeaseDone
from batchmagic.scoring.ending import Ending
from batchmagic.scoring.events import (
    Attempt,
    CancelRequested,
    Event,
    Exclude,
    InitFailed,
    InstanceDown,
    InstanceSized,
    InstanceUp,
    Kind,
    LeaseLost,
    LeaseReturned,
    Outcome,
    Record,
    Send,
    Stop,
)
from batchmagic.scoring.known_columns import KnownColumns
from batchmagic.scoring.last_words import LastWords
from batchmagic.scoring.messages import Capacity, HostStopping, InstancesFailed
from batchmagic.scoring.pending import Pending
from batchmagic.scoring.plan import Plan
from batchmagic.scoring.reporter import Reporter
from batchmagic.scoring.segments import SegmentWriter
from batchmagic.scoring.slot_counts import SlotCounts
from batchmagic.scoring.spool import begun_mark, forget_earlier, forget_work, spool_of, write_nonce
from batchmagic.scoring.wire import BROKEN, DISK_FAILED, INIT_FAILED, STOPPED, UNKNOWN_JOB, LeaseReply
from batchmagic.workspace.ledger import Ledger
from batchmagic.workspace.outside import check_outside

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from distributed import Client

    from batchmagic.scoring.events import Lease
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.job_records import JobRecord

_TICK = 0.1
MAX_BROKEN = 5
"""So many leases in a row that instances could not handle end the job: it would go on for ever."""


class Driver:
    """Drives one run of a job.

    Parameters
    ----------
    workspace, record
        The job.
    claim
        Under which it may write.
    client
        The Dask client of the compute.
    capacity
        Of one instance.
    others
        Returns how many instances of the compute are alive.
    outdated
        Told why another host, with other packages than this process has, must go on with the job.

    Attributes
    ----------
    inbox
        Takes `InstanceJoined` and `InstanceLeft` of the instances that the job holds, `InstancesFailed` and
        `HostStopping`.
    """

    def __init__(
        self,
        workspace: Workspace,
        record: JobRecord,
        *,
        claim: Claim,
        client: Client,
        capacity: Capacity,
        others: Callable[[], int],
        outdated: Callable[[str], None],
    ) -> None:
        self._workspace = workspace
        self._record = record
        self._spec = record.spec
        self._folder: Path = workspace.job_dir(record.name)
        self._claim = claim
        self._epoch = claim.epoch
        self._client = client
        self._capacity = capacity
        self._others = others
        self._outdated = outdated
        self.inbox: queue.Queue[Any] = queue.Queue()  # not a SimpleQueue: see the host's
        self._broken_in_a_row = 0
        self._instances: dict[str, Instance] = {}

    def run(self) -> None:
        """Bring the job to a terminal state; what goes wrong is in its record and log, never lost."""
        reporter = None
        try:
            reporter = self._reporter = Reporter(self._workspace, self._record, self._claim)
            self._log = reporter.logs.driver
            self._slots = SlotCounts(self._spec.settings, self._capacity, reporter.logs.overview)
            self._run()
        except (SchemaTooNew, PackagesChanged) as error:
            self._outdated(str(error))
        except Exception as error:  # noqa: BLE001 -- also a defect of ours must end the job, not hang it
            LastWords(self._workspace, self._record, self._claim, self.inbox).say(error, reporter)
        finally:
            if reporter is not None:
                reporter.close()

    # --- the run

    def _run(self) -> None:
        reporter = self._reporter
        if reporter.record.status is JobStatus.QUEUED:
            reporter.move(JobStatus.PREPARING, "planning")
        if reporter.record.status is JobStatus.CANCELED:
            self._log("the job was canceled in the queue")
            return
        stop = None
        with contextlib.ExitStack() as left:
            left.callback(forget_work, self._folder, self._epoch + 1)
            self._begin(left)
            # One that is to be canceled needs no interpreter, no model and no instance.
            if not reporter.cancel_requested:
                self._prepare(left)
                stop = self._score()
                while stop is not None and stop.outcome is Outcome.COMPLETED and not self._finish():
                    stop = self._score()
                self._dispatcher.end()
            self._ending.end(stop, self._committer, self._ledger)

    def _begin(self, left: contextlib.ExitStack) -> None:
        """Have plan and ledger; nothing that an earlier run committed is touched, but for what is to be redone."""
        spec, reporter = self._spec, self._reporter
        source = self._workspace.root / spec.input_path
        begun = self._record.progress.mini_batches > 0
        if not begun and not Plan.is_made(self._folder):
            self._check_cancel()
        self._plan = plan = Plan.make(
            self._folder,
            source,
            mini_batch_size=spec.settings.mini_batch_size,
            recursive=spec.recursive,
            within=None if spec.input_within is None else self._workspace.root.resolve() / spec.input_within,
            meanwhile=self._check_cancel,
            own=reporter.own,
            begun=begun,
        )
        left.callback(plan.close)
        self._ledger = Ledger.open(self._folder, begun=begun)
        left.callback(self._ledger.close)
        run = reporter.record.run
        self._ledger.begin(
            epoch=self._epoch,
            run=run,
            mini_batches=plan.mini_batches,
            files=plan.files,
            redo_failed=spec.properties.get(REDO_FAILED) == str(run),
        )
        self._ledger.forget_unfinished_parts(self._epoch, plan.files_in)
        progress = self._ledger.recount()
        done = progress.completed + progress.failed
        reporter.tell_plan(plan, done=done)
        self._committer = Committer(self._ledger, self._epoch, plan, reporter.logs, progress)
        # From the first commit on the job's row says that there is a ledger.
        self._workspace.jobs.set_progress(self._record.name, self._committer.progress(), claim=self._claim)
        self._ending = Ending(self._folder, self._epoch, plan, reporter, restarted=done > 0)

    def _check_cancel(self) -> None:
        if self._reporter.cancel_requested:
            raise JobCanceled(f"Job {self._record.name} was canceled while it was planned.")

    def _prepare(self, left: contextlib.ExitStack) -> None:
        """Have what scoring needs."""
        spec, reporter, progress = self._spec, self._reporter, self._committer.progress()
        check_outside(
            self._workspace.root,
            spec,
            self._workspace.secrets.get(self._record.name),
            unfinished=progress.completed + progress.failed < progress.mini_batches,
            begun=self._record.progress.mini_batches > 0,
        )
        reporter.tell_run()
        forget_work(self._folder, self._epoch)
        forget_earlier(self._folder, self._epoch, self._ledger.segments_in_use())
        self._columns = KnownColumns(self._ledger.row_schemas())
        make_output_folder(spec, self._folder)
        self._rows = SegmentWriter(spool_of(self._folder), f"{self._epoch}-driver")
        left.callback(self._rows.close)
        self._dispatcher = Dispatcher(self._client, self._assignment(), self._plan, self.inbox)
        left.push(self._dispatcher.leave)

    def _assignment(self) -> dict[str, Any]:
        with self._reporter.fence():
            nonce = write_nonce(self._folder, self._epoch)
        return assignment(
            self._spec,
            self._workspace.secrets.get(self._record.name),
            workspace=self._workspace.root,
            job_folder=self._folder,
            input_root=self._plan.root,
            key=f"{self._record.name}:{self._record.run}:{self._epoch}",
            epoch=self._epoch,
            nonce=nonce,
        )

    def _score(self) -> Stop | None:
        """Score what is not committed; return how it ended, None if the host leaves."""
        progress = self._committer.progress()
        self._decisions = Decisions(
            self._spec.settings,
            Pending(self._ledger.unfinished(self._plan.mini_batches)),
            self._plan.files_in,
            any_success=self._ledger.any_success(),
            failed_files=progress.files_failed,
        )
        # With nothing left to do the verdict is there at once, and no instance is waited for.
        self._decide(InstanceDown(""))
        for instance in self._instances.values():
            self._decide(InstanceUp(instance.name, self._slots.of(instance.name)))
        if not self._instances and self._decisions.stopped is None:
            self._reporter.say("waits for an instance to start")
        while self._decisions.stopped is None:
            if not self._step():
                return None
        self._committer.flush()
        self._show(force=True)
        return self._decisions.stopped

    def _step(self) -> bool:
        """Handle what happened, or time passing; False when the host leaves."""
        try:
            message = self.inbox.get(timeout=_TICK)
        except queue.Empty:
            message = None
        match message:
            case HostStopping():
                self._reporter.confirm()
                self._committer.flush()
                return False
            case InstancesFailed(detail) if not self._decisions.slots:
                raise ComputeError(f"No instance starts on compute {self._spec.compute!r}: {detail}")
            case LeaseDone():
                self._lease_done(message)
            case InstanceJoined():
                self._joined(message.instance)
            case InstanceLeft():
                self._left(message)
        if self._committer.is_due:
            self._committer.flush()
        if self._show() and self._reporter.cancel_requested:
            self._decide(CancelRequested())
        return True

    def _show(self, *, force: bool = False) -> bool:
        running = self._decisions.running
        return self._reporter.show(self._committer, self._ledger, self._plan, running=running, force=force)

    def _decide(self, event: Event) -> None:
        for command in self._decisions.handle(event):
            if isinstance(command, Send):
                self._dispatcher.send(command.lease, self._slots.of(command.lease.instance))
            elif isinstance(command, Record):
                self._committer.record(command)
            elif isinstance(command, Exclude):
                self._log(f"instance {command.instance} is excluded: init() does not succeed there")

    # --- instances

    def _joined(self, instance: Instance) -> None:
        try:
            self._dispatcher.prepare(instance)
        except ComputeError as error:
            # Its departure comes as an event of its own if it has gone.
            self._log(str(error))
            return
        self._instances[instance.name] = instance
        self._log(f"instance {instance.name} joined ({instance.address})")
        if self._reporter.record.status is JobStatus.PREPARING:
            self._reporter.move(JobStatus.RUNNING)
        self._reporter.say("")
        self._decide(InstanceUp(instance.name, self._slots.of(instance.name)))

    def _left(self, event: InstanceLeft) -> None:
        known = self._instances.get(event.name)
        if known is None or known.address != event.address:
            return
        self._log(f"instance {event.name} left: {event.reason} {event.detail}")
        del self._instances[event.name]
        self._dispatcher.forget(event.name)
        self._decide(InstanceDown(event.name))
        in_order = event.reason in {LeaveReason.CLOSED, LeaveReason.RETIRED}
        for lease in self._dispatcher.take_back(event.address):
            self._lost(lease, others_lived=self._others() > 0, in_order=in_order)
        if not self._instances:
            self._reporter.say("waits for an instance that was lost to be replaced")

    def _lost(self, lease: Lease, *, others_lived: bool, in_order: bool = False) -> None:
        mark = begun_mark(self._folder, self._epoch, lease.number)
        begun = mark.exists()
        mark.unlink(missing_ok=True)
        self._decide(LeaseLost(lease.number, begun=begun, others_lived=others_lived, in_order=in_order))

    # --- leases

    def _lease_done(self, done: LeaseDone) -> None:
        found = self._dispatcher.reply(done)
        if found is None:
            return
        failpoints.hit("lease.returned")
        lease, reply = found
        if reply is None:
            self._dispatcher.give_up(lease)
            # Its own instance may be dead already, and not be told of yet.
            self._lost(lease, others_lived=self._others() > (lease.instance in self._instances))
        elif reply.outcome == DISK_FAILED:
            raise DiskError(**(reply.error or {}))
        elif reply.outcome == INIT_FAILED:
            self._decide(InitFailed(lease.number, reply.error or {}))
        elif reply.outcome == BROKEN:
            self._broken(lease, reply.error or {})
        else:
            self._returned(lease, reply)

    def _broken(self, lease: Lease, error: dict[str, Any]) -> None:
        """Send a lease again that an instance could not handle, unless nothing else happens any more."""
        self._log(f"instance {lease.instance} failed in itself:\n{error.get('traceback')}")
        self._broken_in_a_row += 1
        if self._broken_in_a_row >= MAX_BROKEN:
            raise EngineError(
                f"instance {lease.instance} failed in itself: {error.get('type')}: {error.get('message')}",
                hint="See logs/sys/driver.txt; it is a defect of batchmagic, or its files were changed meanwhile.",
            )
        self._decide(LeaseReturned(lease.number, (), lease.members))

    def _returned(self, lease: Lease, reply: LeaseReply) -> None:
        self._broken_in_a_row = 0
        if lease.is_lone:
            begun_mark(self._folder, self._epoch, lease.number).unlink(missing_ok=True)
        for name, text in reply.logs:
            self._reporter.logs.append(name, text)
        if reply.outcome == UNKNOWN_JOB and lease.instance in self._instances:
            self._dispatcher.prepare_again(lease.instance)
        if reply.outcome in {STOPPED, UNKNOWN_JOB}:
            self._decide(LeaseReturned(lease.number, (), lease.members))
            return
        attempts = tuple(self._accepted(a, reply) for a in reply.attempts)
        if reply.rows:
            self._rows.sync()
        slots = self._slots.learn(lease.instance, attempts)
        if slots is not None:
            self._decide(InstanceSized(lease.instance, slots))
        rest, running = lease.members[len(attempts) :], int(reply.carried)
        self._decide(LeaseReturned(lease.number, attempts, rest[running:], *rest[:running]))

    def _accepted(self, attempt: Attempt, reply: LeaseReply) -> Attempt:
        """Return the attempt with its rows in the spool, or as a failure if its columns do not fit the others'."""
        if attempt.kind is not Kind.OK:
            return attempt
        problem = self._columns.problem_with(attempt.columns, attempt.encoding)
        if problem is not None:
            return replace(attempt, kind=Kind.ERROR, error=problem, rows=0, items=0, place=None, columns=())
        if reply.rows and attempt.place is not None:
            self._rows.begin()
            self._rows.write(reply.rows[attempt.place[1]])
            return replace(attempt, place=self._rows.end())
        return attempt

    # --- the end

    def _finish(self) -> bool:
        """Assemble the output; False if rows were missing, which are then to be scored again."""
        damaged = self._ending.finish(self._ledger)
        if damaged:
            self._ledger.forget(self._epoch, damaged)
            progress = self._ledger.recount()
            self._committer = Committer(self._ledger, self._epoch, self._plan, self._reporter.logs, progress)
        return not damaged
