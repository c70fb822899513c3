"""The compute host: one Dask cluster, one driver per job, first in, first out."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import TYPE_CHECKING

import batchmagic
from batchmagic.capacity import cores, memory_bytes
from batchmagic.compute.first import FirstAct
from batchmagic.compute.interface import InstanceJoined, InstanceLeft, LeaveReason
from batchmagic.compute.open import open_compute
from batchmagic.entities.status import JobStatus
from batchmagic.errors import (
    BatchMagicError,
    DiskError,
    Fenced,
    PackagesChanged,
    SchemaTooNew,
    StoreBusy,
    WorkspaceMoved,
)
from batchmagic.host.seats import Seats, waiting_words
from batchmagic.scoring.assignment import template_order
from batchmagic.scoring.driver import Driver
from batchmagic.scoring.messages import Capacity, HostStopping, InstancesFailed
from batchmagic.workspace import reserve

if TYPE_CHECKING:
    from batchmagic.compute.interface import Instance
    from batchmagic.entities import AmlCompute
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.job_records import JobRecord

# Threads cost nothing until they are used, and a waiting lease uses one: twice the slots anybody asks for.
NTHREADS = 128
MAX_FAILED_STARTS = 5
# Where there were instances before, the machine is likely to be short of something for a while.
FAILED_STARTS_SECONDS = 180.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 10.0
_TICK = 0.1
_BEAT_SECONDS = 1.0
_LOOK_SECONDS = 0.25
_STOP_SECONDS = 20.0

log = logging.getLogger("batchmagic.host")


class Host:
    """Serves the jobs of one compute.

    Parameters
    ----------
    workspace, compute
        Whose jobs.
    claim
        The claim under which it serves; it beats while `run` runs.
    stop
        Set from outside to make it leave at once.
    """

    def __init__(self, workspace: Workspace, compute: str, claim: Claim, stop: threading.Event) -> None:
        self._workspace = workspace
        self._compute = compute
        self._claim = claim
        self._stop = stop
        self._definition: AmlCompute = workspace.computes.get(compute)
        self._instances = open_compute(self._definition, workspace.compute_dir(compute), nthreads=NTHREADS)
        # Not a SimpleQueue: a signal at the end of its timeout makes that one wait for ever (CPython 3.11).
        self._inbox: queue.Queue[InstanceJoined | InstanceLeft] = queue.Queue()
        self._seats = Seats()
        self._drivers: dict[str, tuple[Driver, threading.Thread]] = {}
        self._words: dict[str, str] = {}
        self._failed_starts = 0
        self._failing_since: float | None = None
        self._start_at = 0.0
        self._had_instances = False
        self._asked = 0
        self._idle_since: dict[str, float] = {}
        self._last_used = time.monotonic()
        self._lost = threading.Event()
        self._outdated = ""
        self._trouble = ""

    def run(self) -> None:
        """Serve until the compute has been idle long enough or `stop` is set.

        Raises
        ------
        Fenced
            If another host took the claim over.
        WorkspaceMoved
            If the workspace is not where it was.
        PackagesChanged
            If a process with the packages that are installed now must go on.
        """
        beat = threading.Thread(target=self._beat, name="batchmagic-beat", daemon=True)
        beat.start()
        log.info(
            "batchmagic %s serves %s with claim %s", batchmagic.__version__, self._compute, self._claim.epoch
        )
        self._instances.watch(self._inbox.put)
        with self._instances:
            try:
                self._serve()
            finally:
                self._stop_drivers()
        self._workspace.claims.release(self._claim)
        log.info("leaves")

    def _serve(self) -> None:
        looked = 0.0
        while not self._stop.is_set():
            self._take_events()
            self._reap()
            if time.monotonic() - looked >= _LOOK_SECONDS:
                looked = time.monotonic()
                if self._look():
                    return
            if self._lost.is_set():
                self._workspace.claims.beat(self._claim)  # raises Fenced, with the reason
            if self._outdated:
                raise PackagesChanged(self._outdated)

    def _look(self) -> bool:
        """Do what the store asks for; return whether nothing is left to do."""
        try:
            self._definition = self._workspace.computes.get(self._compute)
            self._admit()
            self._scale()
            return self._may_leave()
        except (DiskError, StoreBusy) as error:
            # A full disk or a lock that nobody gives back; what runs goes on, and the next look tries again.
            self._note(f"the workspace cannot be used: {error}")
            return False

    def _note(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            log.warning(trouble)

    def _leave_to_another(self, reason: str) -> None:
        self._outdated = reason

    def _beat(self) -> None:
        """Show others that this host lives; in a thread of its own, so that nothing it does can delay it."""
        while not self._stop.wait(_BEAT_SECONDS):
            try:
                self._workspace.claims.beat(self._claim)
            except Fenced:
                self._lost.set()
                return
            except WorkspaceMoved:
                return  # `_serve` finds the same at its next look
            except SchemaTooNew as error:
                self._leave_to_another(str(error))
                return
            except BatchMagicError as error:
                # A full disk or a lock that nobody gives back; the next beat tries again.
                self._note(f"the claim could not be renewed: {error}")

    # --- instances

    def _take_events(self) -> None:
        try:
            event: InstanceJoined | InstanceLeft | None = self._inbox.get(timeout=_TICK)
        except queue.Empty:
            return
        while event is not None:
            if isinstance(event, InstanceJoined):
                self._failed_starts, self._failing_since, self._had_instances = 0, None, True
                log.info("instance %s joined", event.instance.name)
                self._offer(event.instance)
            else:
                self._left(event)
            event = None if self._inbox.empty() else self._inbox.get()

    def _offer(self, instance: Instance) -> None:
        job = self._seats.place(instance.name)
        if job is not None:
            self._drivers[job][0].inbox.put(InstanceJoined(instance=instance))

    def _left(self, event: InstanceLeft) -> None:
        log.info("instance %s left: %s %s", event.name, event.reason, event.detail)
        job = self._seats.leave(event.name)
        if job in self._drivers:
            self._drivers[job][0].inbox.put(event)
        if event.reason is LeaveReason.CLOSED:
            return
        self._asked = len(self._instances.instances())  # what was lost is asked for anew
        if event.reason is LeaveReason.FAILED:
            self._failed_start(event.detail)

    def _failed_start(self, detail: str) -> None:
        """Let the next start wait a little longer than the last one, or give the jobs up."""
        now = time.monotonic()
        self._failing_since = self._failing_since or now
        self._start_at = now + min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**self._failed_starts)
        self._failed_starts += 1
        patience = FAILED_STARTS_SECONDS if self._had_instances else 0.0
        if self._failed_starts >= MAX_FAILED_STARTS and now - self._failing_since >= patience:
            for driver, _ in self._drivers.values():
                driver.inbox.put(InstancesFailed(detail))
            self._failed_starts, self._failing_since = 0, None

    def _scale(self) -> None:
        """Have the instances that jobs hold; one that nobody held for the compute's idle time leaves."""
        want = max(self._seats.demand, self._definition.min_instances)
        present = {instance.name for instance in self._instances.instances()}
        now = time.monotonic()
        self._idle_since = {
            name: self._idle_since.get(name, now) for name in present if name not in self._seats.holders
        }
        if want > self._asked:
            if now < self._start_at:
                return
            self._asked = max(want, len(present))
            self._instances.scale_to(self._asked, keep=present)
            return
        limit = self._definition.idle_time_before_scale_down
        expired = {name for name, since in self._idle_since.items() if now - since >= limit}
        fewer = max(want, len(present) - len(expired))
        if fewer < len(present):
            self._asked = fewer
            self._instances.scale_to(fewer, keep=present - expired)

    def _may_leave(self) -> bool:
        """Whether nothing is left to do: no job, no instance, and the compute's idle time has passed."""
        if self._drivers:
            self._last_used = time.monotonic()
            return False
        if self._asked or self._instances.instances() or self._definition.min_instances:
            return False
        if time.monotonic() - self._last_used < self._definition.idle_time_before_scale_down:
            return False
        return not self._workspace.jobs.unfinished(self._compute)

    # --- jobs

    def _admit(self) -> None:
        """Begin jobs in order of submission; the first that does not fit holds up the others."""
        waiting = [r for r in self._workspace.jobs.unfinished(self._compute) if r.name not in self._drivers]
        # What an earlier host had begun goes on first; what is to be canceled waits for nobody.
        canceled, queued = JobStatus.CANCEL_REQUESTED, JobStatus.QUEUED
        waiting.sort(key=lambda r: (r.status is not canceled, r.status is queued, r.seq))
        limit = self._definition.max_instances
        for index, record in enumerate(waiting):
            count = record.spec.settings.instance_count
            if record.status is canceled:
                self._begin(record, 0)  # its end needs no instance
            elif count > limit:
                self._refuse(record, limit)
            elif self._seats.fits(count, limit):
                self._begin(record, count)
            else:
                self._tell(waiting[index:], limit)
                return

    def _refuse(self, record: JobRecord, limit: int) -> None:
        message = f"instance_count {record.spec.settings.instance_count} is more than max_instances {limit}"
        error = {"type": "ComputeTooSmall", "message": message, "phase": "host", "verdict": message}
        self._workspace.jobs.transition(
            record.name, JobStatus.FAILED, detail=message, error=error, claim=self._claim
        )

    def _tell(self, waiting: list[JobRecord], limit: int) -> None:
        free = max(0, limit - self._seats.demand)
        words = {
            record.name: waiting_words(
                place=place,
                needs=record.spec.settings.instance_count,
                free=free,
                limit=limit,
                first=waiting[0].name if place > 1 else None,
            )
            for place, record in enumerate(waiting, start=1)
        }
        changed = {name: said for name, said in words.items() if self._words.get(name) != said}
        if changed:
            self._workspace.jobs.tell_waiting(changed, claim=self._claim)
            self._words |= changed

    def _begin(self, record: JobRecord, count: int) -> None:
        log.info("begins %s, run %s", record.name, record.run)
        if count:
            self._instances.first_act = self._first_act(record)
        self._words.pop(record.name, None)
        driver = Driver(
            self._workspace,
            record,
            claim=self._claim,
            client=self._instances.client,
            capacity=Capacity(cores=cores(), memory=memory_bytes()),
            others=lambda: len(self._instances.instances()),
            outdated=self._leave_to_another,
        )
        if not reserve.hold(self._workspace.compute_dir(self._compute)):
            log.warning("the disk of the workspace has less than a MiB left")
        thread = threading.Thread(
            target=self._drive, args=(driver, record.name), name=f"driver-{record.name}"
        )
        self._drivers[record.name] = driver, thread
        self._seats.begin(record.name, count)
        thread.start()
        self._place_free()

    def _drive(self, driver: Driver, name: str) -> None:
        try:
            driver.run()
        except (BatchMagicError, OSError):
            try:
                self._workspace.database.check_place()
            except WorkspaceMoved as moved:
                # Its log went with the workspace; this host's own is open.
                log.info("left %s alone: %s", name, moved)
                return
            raise

    def _first_act(self, record: JobRecord) -> FirstAct | None:
        """Let instances that start for this job begin with the imports of its template."""
        log_file = self._workspace.compute_dir(self._compute) / "logs" / "template.txt"
        try:
            secrets = self._workspace.secrets.get(record.name)
            order = template_order(record.spec, secrets, self._workspace.root, log_file)
        except (BatchMagicError, OSError, SyntaxError):
            # The driver finds the same and tells it in the job's own words.
            return None
        return FirstAct("batchmagic.scoring.instance", "warm_template", order)

    def _place_free(self) -> None:
        for instance in self._instances.instances():
            self._offer(instance)

    def _reap(self) -> None:
        for name, (_, thread) in list(self._drivers.items()):
            if not thread.is_alive():
                thread.join()
                log.info("ended %s", name)
                del self._drivers[name]
                self._seats.end(name)
                self._last_used = time.monotonic()
                self._place_free()

    def _stop_drivers(self) -> None:
        for driver, _ in self._drivers.values():
            driver.inbox.put(HostStopping())
        deadline = time.monotonic() + _STOP_SECONDS
        for name, (_, thread) in self._drivers.items():
            thread.join(max(0.0, deadline - time.monotonic()))
            if thread.is_alive():
                log.warning("the driver of %s did not end in time", name)
