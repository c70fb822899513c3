"""A job on one instance: what runs inside the Dask worker. It never runs user code itself.

The functions below are what the driver calls through Dask, with bytes in and bytes out.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
import traceback
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.disk import disk_error, is_about_disk
from batchmagic.errors import ComputeError, DiskError
from batchmagic.scoring.lease_queue import LeaseQueue
from batchmagic.scoring.log_limits import LogLimiter
from batchmagic.scoring.memory_watch import MemoryWatch
from batchmagic.scoring.private_temp import clear_folder, make_temporary, remove_folder
from batchmagic.scoring.segments import MemoryWriter, SegmentWriter
from batchmagic.scoring.slot import Slot, SlotSpec
from batchmagic.scoring.spool import begun_mark, shares_folder, spool_of
from batchmagic.scoring.template import Template
from batchmagic.scoring.wire import (
    BROKEN,
    DISK_FAILED,
    INIT_FAILED,
    STOPPED,
    UNKNOWN_JOB,
    LeaseReply,
    LeaseRequest,
)
from batchmagic.workspace.folders import folder_in

if TYPE_CHECKING:
    from batchmagic.scoring.channel import Channel

_IDLE_TEMPLATES = 2
_LOG_BYTES = 256 * 1024
_STOP_SECONDS = 8.0

_jobs: dict[str, InstanceJob] = {}
_idle_templates: OrderedDict[str, Template] = OrderedDict()
_jobs_turn = threading.Lock()
_templates_turn = threading.Lock()


def prepare_job(frame: bytes) -> None:
    """Have the job on this instance: its template then imports while the driver goes on."""
    spec = json.loads(frame)
    with _jobs_turn:
        if spec["job"] not in _jobs:
            _jobs[spec["job"]] = InstanceJob(spec)


def warm_template(order: str) -> None:
    """Start a template that the first job here will need; called before the worker itself is ready."""
    interpreter, variables, preload, log = json.loads(order)
    template = Template(interpreter, variables, preload, Path(log))
    template.start()
    _keep_template(_template_key(interpreter, variables, preload), template)


def run_lease(frame: bytes) -> bytes:
    """Score a lease as soon as a slot of its job is free and return the packed `LeaseReply`."""
    request = LeaseRequest.unpack(frame)
    job = _jobs.get(request.job)
    if job is None:
        return LeaseReply(outcome=UNKNOWN_JOB).pack()
    try:
        return job.run(request).pack()
    except Exception as error:  # noqa: BLE001 -- a defect of ours; Dask would tell it like the loss of this worker
        problem = {
            "type": type(error).__name__,
            "message": str(error),
            "phase": "engine",
            "traceback": traceback.format_exc(),
        }
        return LeaseReply(outcome=BROKEN, error=problem).pack()


def give_up_lease(key: str, number: int) -> None:
    """Let nobody wait for the rest of a lease that was cut: who cut it has not heard of it, and sends it anew."""
    job = _jobs.get(key)
    if job is not None:
        job.give_up(number)


def end_job(key: str) -> None:
    """End the job on this instance: its scoring processes are gone then, also in the middle of a mini-batch."""
    with _jobs_turn:
        job = _jobs.pop(key, None)
    if job is not None:
        job.close()


def _take_template(key: str) -> Template | None:
    with _templates_turn:
        template = _idle_templates.pop(key, None)
    if template is not None and not template.is_alive:
        template.close()
        return None
    return template


def _keep_template(key: str, template: Template) -> None:
    """Keep the template for the next job of the same deployment: its imports are what a start costs."""
    with _templates_turn:
        surplus = [_idle_templates.pop(key, None)]
        _idle_templates[key] = template
        while len(_idle_templates) > _IDLE_TEMPLATES:
            surplus.append(_idle_templates.popitem(last=False)[1])
    for old in surplus:
        if old is not None:
            old.close()


def _template_key(interpreter: str, variables: dict[str, str], preload: list[str]) -> str:
    return json.dumps([interpreter, sorted(variables.items()), preload])


def _disk_failed(error: DiskError) -> LeaseReply:
    return LeaseReply(outcome=DISK_FAILED, error=error.told())


class InstanceJob:
    """The slots and the template of one job on one instance.

    Parameters
    ----------
    spec
        The driver's description: see `batchmagic.scoring.assignment`.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self._spec = spec
        self._job_folder = Path(spec["job_folder"])
        self._shares = shares_folder(self._job_folder, spec["nonce"])
        self._folder = self._job_folder if self._shares else Path(tempfile.mkdtemp(prefix="batchmagic-"))
        self._logs = self._folder / "logs"
        self._sent: dict[Path, int] = {}
        self._slots: list[Slot] = []
        self._free: list[Slot] = []
        self._slot_free = threading.Condition()
        self._queue = LeaseQueue()
        # By the number of their lease: slots that await a member at which the lease was cut.
        self._carried: dict[int, Slot] = {}
        self._stopped = False
        self._limiter = LogLimiter(self._make("logs/user"))
        self._template_key = _template_key(spec["interpreter"], spec["variables"], spec["preload"])
        template = _take_template(self._template_key)
        if template is None:
            log = self._make("logs/sys/template") / f"{spec['instance']}.txt"
            template = Template(spec["interpreter"], spec["variables"], spec["preload"], log)
            template.start()
        self._template = template
        self._work = self._make(f"work/{spec['epoch']}/{spec['instance']}")
        base = spec["variables"].get("TMPDIR")
        self._temporary = make_temporary(base) if spec["private_tmp"] else None
        limit = spec["memory_limit"]
        self._memory = MemoryWatch(limit, lambda: tuple(self._slots)) if limit else None

    def run(self, lease: LeaseRequest) -> LeaseReply:
        """Score a lease in the next free slot."""
        try:
            reply = self._scored(lease)
        except DiskError as error:
            return _disk_failed(error)
        except OSError as error:
            if not is_about_disk(error):
                raise
            return _disk_failed(disk_error(error, error.filename or self._folder))
        return reply if self._shares else replace(reply, logs=self._new_logs())

    def _scored(self, lease: LeaseRequest) -> LeaseReply:
        slot, carrying = self._take_slot(lease)
        if slot is None:
            return LeaseReply(outcome=STOPPED)
        reply = None
        try:
            reply = slot.resume() if carrying else slot.score(lease, lambda: self._mark_begun(lease))
            if reply.carried:
                self._mark_begun(lease, carried=True)
        except ComputeError as error:
            problem = {"type": "InterpreterFailed", "message": str(error), "phase": "init"}
            reply = LeaseReply(outcome=INIT_FAILED, error=problem)
        finally:
            with self._slot_free:
                if reply is not None and reply.carried and not self._stopped:
                    self._carried[lease.number] = slot
                else:
                    self._give_back(slot)
        return reply

    def _give_back(self, slot: Slot) -> None:
        """Let others have the slot; the caller has the lock."""
        self._free.append(slot)
        self._slot_free.notify_all()

    def give_up(self, number: int) -> None:
        """Free the slot that awaits the member at which this lease was cut, if it was."""
        with self._slot_free:
            slot = self._carried.pop(number, None)
        if slot is None:
            return
        slot.abandon()
        with self._slot_free:
            self._give_back(slot)

    def close(self) -> None:
        """End all scoring processes; leases that are still here return as stopped."""
        with self._slot_free:
            busy = [slot for slot in self._slots if slot not in self._free]
            self._stopped = True
            self._free += self._carried.values()
            self._carried.clear()
            self._slot_free.notify_all()
        for slot in busy:
            slot.stop()
        if not self._wait_idle():
            # One still waits for an import that does not end: without its template it stops waiting.
            self._template.close()
            self._wait_idle()
        for slot in self._slots:
            slot.close()
        if self._template.is_alive:
            _keep_template(self._template_key, self._template)
        self._limiter.close()
        if self._memory is not None:
            self._memory.close()
        remove_folder(self._work)
        if self._temporary is not None:
            remove_folder(self._temporary)
        if not self._shares:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_idle(self) -> bool:
        with self._slot_free:
            return self._slot_free.wait_for(
                lambda: len(self._free) == len(self._slots), timeout=_STOP_SECONDS
            )

    def _take_slot(self, lease: LeaseRequest) -> tuple[Slot | None, bool]:
        """Return the slot that awaits the rest of the lease and True, or the next free one, None once stopped."""
        # Before the lock, which others have for as long as they make a slot.
        self._queue.enter(lease.number)
        with self._slot_free:
            try:
                carrying = self._carried.pop(lease.number, None)
                if carrying is not None:
                    return carrying, True
                while not self._stopped:
                    slot = self._free_slot(lease.slots) if self._queue.is_first(lease.number) else None
                    if slot is not None:
                        return slot, False
                    self._slot_free.wait()
            finally:
                self._queue.leave(lease.number)
                # The next one is first now, and may find a slot too.
                self._slot_free.notify_all()
        return None, False

    def _free_slot(self, allowed: int) -> Slot | None:
        if self._free:
            # The one used last is warm, and a job with less work than slots starts fewer processes.
            return self._free.pop()
        if len(self._slots) < allowed:
            self._slots.append(self._new_slot(len(self._slots)))
            return self._slots[-1]
        return None

    def _new_slot(self, index: int) -> Slot:
        spec = self._spec
        prefix = f"{spec['epoch']}-{spec['instance']}-{index}"
        sink = SegmentWriter(spool_of(self._job_folder), prefix) if self._shares else MemoryWriter()
        slot = SlotSpec(
            index=index,
            instance=spec["instance"],
            child=self._child_spec(index),
            timeout=spec["timeout"],
            init_timeout=spec["init_timeout"],
            code_dir=spec["child"]["code_dir"],
        )
        return Slot(slot, self, sink)

    def _child_spec(self, index: int) -> dict[str, Any]:
        instance, process = self._spec["instance"], f"process{index:03d}"
        own = {"tmp": str(self._temporary / str(index))} if self._temporary is not None else {}
        child = self._spec["child"]
        return {
            **child,
            **own,
            "env": child["env"] | self._mlflow(f"{instance}-{process}"),
            "agent_name": process,
            "cwd": str(self._work / process),
            "stdout": str(self._make(f"logs/user/stdout/{instance}") / f"{process}.stdout.txt"),
            "stderr": str(self._make(f"logs/user/stderr/{instance}") / f"{process}.stderr.txt"),
            "entry_log": str(self._make(f"logs/user/entry_script_log/{instance}") / f"{process}.log.txt"),
            "dump_file": str(self._make(f"logs/user/error/{instance}") / f"{process}.txt"),
        }

    def _mlflow(self, process: str) -> dict[str, str]:
        """Return the variable of a store for this process alone, which MLflow makes when the script logs to it."""
        stores = self._spec["mlflow"]
        return {"MLFLOW_TRACKING_URI": (self._folder / stores / process).as_uri()} if stores else {}

    def _make(self, relative: str) -> Path:
        # Never the job's folder itself: a workspace that was moved is not begun anew in its old place.
        return folder_in(self._folder, relative)

    def start_child(self, spec: dict[str, Any]) -> Channel:
        """Start a scoring process, and the template anew if it was killed."""
        with self._slot_free:
            if not self._template.is_alive:
                # It was killed from outside; its scoring processes went with it.
                self._template.close()
                self._template.start()
        return self._template.start_child(spec)

    def clear(self, spec: dict[str, Any]) -> None:
        """Empty the folders in which a scoring process works: what its predecessor left is nothing to it."""
        for name in ("cwd", "tmp"):
            if spec.get(name):
                clear_folder(Path(spec[name]))

    def end_stopped_template(self) -> bool:
        """End the template if somebody has stopped it, and return whether that was so."""
        return self._template.end_if_stopped()

    def _mark_begun(self, lease: LeaseRequest, *, carried: bool = False) -> None:
        if (lease.begun or carried) and self._shares:
            begun_mark(self._job_folder, self._spec["epoch"], lease.number).touch()

    def _new_logs(self) -> tuple[tuple[str, bytes], ...]:
        """Return what the log files gained since the last lease, for the driver to write down.

        Of what was logged to MLflow these are metrics and parameters, whose files only grow.
        """
        gained = []
        logged = (
            path
            for kind in ("metrics", "params")
            for path in self._folder.glob(f"mlflow/*/*/*/*/{kind}/**/*")
        )
        with self._slot_free:
            for path in sorted([*self._logs.rglob("*.txt"), *filter(Path.is_file, logged)]):
                with path.open("rb") as file:
                    file.seek(self._sent.get(path, 0))
                    text = file.read(_LOG_BYTES)
                if text:
                    self._sent[path] = self._sent.get(path, 0) + len(text)
                    gained.append((str(path.relative_to(self._folder)), text))
        return tuple(gained)
