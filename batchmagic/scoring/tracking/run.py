"""The MLflow run of a job as its driver sees it. Nothing here waits for MLflow but the end of the job, and that shortly."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from typing import TYPE_CHECKING, Any

from batchmagic.entities.job_spec import MLFLOW_EXPERIMENT, MLFLOW_RUN
from batchmagic.entities.status import JobStatus
from batchmagic.errors import BatchMagicError
from batchmagic.redaction import redact_uris
from batchmagic.scoring.tracking.order import milliseconds, order_of, points_of
from batchmagic.scoring.tracking.process import TrackerProcess, unheard

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities.progress import Progress
    from batchmagic.scoring.job_logs import JobLogs
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.job_records import JobRecord

END_SECONDS = 1.5
"""What the end of a job may wait for its run: with all around it, the job takes less than 2 s longer."""
REST_SECONDS = 60.0
"""So long a run is still written after the job's end, if its host lives."""
LARGEST_OUTPUT = 10 << 20
_MOST_RESTS = 4
_STATUS = {JobStatus.COMPLETED: "FINISHED", JobStatus.FAILED: "FAILED", JobStatus.CANCELED: "KILLED"}
_LEFT = {
    "begin": "parameters, metrics, logs and output",
    "metrics": "the last metrics, logs and output",
    "artifacts": "logs and output",
    "end": "its end",
}
_STARTS = 3
_FIRST_PAUSE, _POINTS_PER_PAUSE = 1.0, 100

# By store: one tracker that has nothing to do, as a template waits for the next job.
_idle: dict[str, TrackerProcess] = {}
# By folder of the job: what is still written though the job has ended.
_rests: dict[Path, TrackedRun] = {}
_turn = threading.Lock()


class Pace:
    """When a point of the metrics is due: every second at first, and half as often after every hundred."""

    def __init__(self) -> None:
        self._pause = _FIRST_PAUSE
        self._count = 0
        self._last = 0.0

    def is_due(self, now: float) -> bool:
        """Return whether it is, and count it then."""
        if now - self._last < self._pause:
            return False
        self._last = now
        self._count += 1
        if self._count % _POINTS_PER_PAUSE == 0:
            self._pause *= 2
        return True


def track(ws: Workspace, record: JobRecord, claim: Claim, logs: JobLogs) -> TrackedRun | None:
    """Return the run of the job, on its way to the store; None if the job has none, or none can be begun."""
    with _turn:
        rest = _rests.pop(record.folder, None)
    if rest is not None:
        rest.abandon("the job was resumed")
    try:
        order = order_of(ws, record, claim.epoch)
        return None if order is None else TrackedRun(ws, record, claim, logs, order)
    except Exception as error:  # noqa: BLE001 -- whatever it is, no job fails for want of a run
        logs.driver(f"MLflow run: left out, {type(error).__name__}: {redact_uris(str(error))}")
        return None


class TrackedRun:
    """The run of one run of a job; made by `track`.

    Parameters
    ----------
    order
        Of `order_of`.
    """

    def __init__(
        self, ws: Workspace, record: JobRecord, claim: Claim, logs: JobLogs, order: dict[str, Any]
    ) -> None:
        self._jobs, self._record, self._claim, self._logs = ws.jobs, record, claim, logs
        self._folder = ws.compute_dir(record.spec.compute)
        self._key = json.dumps([order["uri"], order["folder"], order["access"]])
        self._messages = [order]
        self._store = redact_uris(order["uri"])
        self._changed = threading.Condition(threading.RLock())
        self._starts = 0
        self._lost = 0
        self._known: dict[str, str] = {}
        self._noted: dict[str, str] = {}
        self._stage, self._trouble, self._said = "begin", "", ""
        self._ended: dict[str, Any] | None = None
        self._number = 0
        self._deadline: float | None = None
        self._closed, self._given_up = False, f"{REST_SECONDS:.0f} s have passed"
        self._pace = Pace()
        self._last_done = record.progress.completed + record.progress.failed
        self._last_time = time.monotonic()
        with _turn:
            idle = _idle.pop(self._key, None)
        with self._changed:  # it may be gone before it is known here
            self._process = self._begin(idle if idle is not None and idle.is_alive else None)

    # --- while the job runs

    def show(self, progress: Progress) -> None:
        """Log the counters if a point is due, and note what has become known of the run."""
        self._note()
        if self._pace.is_due(time.monotonic()):
            self._tell({"op": "metrics", "points": self._points(progress)})

    def _points(self, progress: Progress) -> list[list[Any]]:
        done, now = progress.completed + progress.failed, time.monotonic()
        more, seconds = max(0, done - self._last_done), now - self._last_time
        self._last_done, self._last_time = done, now
        # The last point may come right after another one, and say nothing of the pace.
        return points_of(progress, rate=more / seconds if seconds >= _FIRST_PAUSE / 2 else None)

    def _note(self) -> None:
        """Keep the run's name with the job, and say once what is in the way."""
        before, said = self._noted, self._said
        # Whatever becomes of the writing, it is not tried again and again.
        known, trouble = self._noted, self._said = self._known, self._trouble
        if known != before:
            self._jobs.label(self._record.name, properties=known, claim=self._claim)
            self._logs.driver(f"{self._title} is in {self._store}")
        if trouble and trouble != said:
            self._logs.driver(f"{self._title}: {trouble}; it is tried again")

    @property
    def _has_news(self) -> bool:
        return (self._known, self._trouble) != (self._noted, self._said)

    # --- the end

    def end(self, status: JobStatus, progress: Progress, *, logs: Path, output: Path | None) -> str:
        """Have the run written as far as `END_SECONDS` suffice, and return the line that says how far that was.

        Parameters
        ----------
        logs
            The folder whose text files become artifacts.
        output
            It becomes an artifact too, unless it is larger than `LARGEST_OUTPUT`; None if there is none.
        """
        now = time.monotonic()
        self._deadline = now + END_SECONDS if self._deadline is None else self._deadline
        small = output is not None and output.is_file() and output.stat().st_size <= LARGEST_OUTPUT
        artifacts = [[str(path), "logs/user"] for path in sorted(logs.glob("*.txt"))]
        self._tell({"op": "metrics", "points": [*self._points(progress), *_last_points(progress)]})
        with self._changed:
            self._number += 1
            self._ended = None
        self._tell(
            {
                "op": "end",
                "number": self._number,
                "status": _STATUS[status],
                "time": milliseconds(),
                "artifacts": [*artifacts, [str(output), "outputs/score"]] if small else artifacts,
                "tags": {} if output is None or small else {"batchmagic.output": str(output)},
            }
        )
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._trouble, self._deadline - now)
        with contextlib.suppress(
            BatchMagicError
        ):  # what is wrong with the store shows in the job's last state
            self._note()
        return self._outcome(f"It is tried for {REST_SECONDS:.0f} s more.")

    def _outcome(self, otherwise: str) -> str:
        """Return the line for the overview; details stand in the driver's log."""
        ended = self._ended
        if ended is None:
            why = self._trouble or ("no answer yet" if self._stage == "begin" else "it is not done yet")
            line = f"{self._title}: left out so far: {_LEFT[self._stage]} ({why}). {otherwise}"
            self._logs.driver(line)
            return line
        left = [*ended["left_out"], *([f"{self._lost} points of metrics"] if self._lost else [])]
        for each in left:
            self._logs.driver(f"{self._title}: left out: {each}")
        return f"{self._title}: left out: {left[0]}{_and_more(left)}" if left else self._title

    @property
    def _title(self) -> str:
        run = self._known.get(MLFLOW_RUN)
        return (
            f"MLflow run: {self._record.spec.experiment} / {run}" if run else f"MLflow run in {self._store}"
        )

    def close(self) -> None:
        """Be done with it: what is not written is still tried, if the job has come to its end, and else dropped."""
        with self._changed:
            finished, ending = self._ended is not None, self._number > 0
        if finished:
            self._keep()
        elif ending:
            with _turn:
                surplus = list(_rests.values())[: 1 - _MOST_RESTS]
                _rests[self._record.folder] = self
            threading.Thread(target=self._finish, name="mlflow-rest", daemon=True).start()
            for rest in surplus:
                rest.abandon("the runs of other jobs wait too")
        else:
            self.abandon()

    def abandon(self, why: str = "") -> None:
        """Write nothing any more; the process is gone then."""
        with self._changed:
            if self._closed:
                return
            self._closed, self._given_up = True, why
            self._process.close()
            self._changed.notify_all()

    def _finish(self) -> None:
        """Wait for the rest, and say what became of it."""
        until = time.monotonic() + REST_SECONDS
        while not (self._ended or self._closed) and time.monotonic() < until:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._ended or self._closed or self._has_news, until - time.monotonic()
                )
            with contextlib.suppress(BatchMagicError, OSError):  # the job may be gone, or its workspace
                self._note()
        with _turn:
            if _rests.get(self._record.folder) is self:
                del _rests[self._record.folder]
        with contextlib.suppress(BatchMagicError, OSError):
            self._outcome(f"It is given up: {self._given_up}.")
            if self._ended is not None:
                self._logs.driver(f"{self._title}: written now, after the job's end")
        if self._ended is None:
            self.abandon()
        else:
            self._keep()

    def _keep(self) -> None:
        """Let the next job have the process, for which MLflow is imported then."""
        with self._changed:
            self._closed = True
            self._process.hear = unheard
        with _turn:
            surplus = list(_idle.values())
            _idle.clear()
            _idle[self._key] = self._process
        for process in surplus:
            process.close()

    # --- the process

    def _begin(self, process: TrackerProcess | None) -> TrackerProcess:
        if process is None:
            self._starts += 1
            process = TrackerProcess(self._folder)
        process.hear = self._hear
        for message in self._messages:
            process.tell(message)
        return process

    def _tell(self, message: dict[str, Any]) -> None:
        with self._changed:
            self._messages.append(message)
            self._lost += 0 if self._process.tell(message) else len(message.get("points", ()))

    def _hear(self, answer: dict[str, Any]) -> None:
        with self._changed:
            match answer["op"]:
                case "run":
                    self._known = {MLFLOW_RUN: answer["run"], MLFLOW_EXPERIMENT: answer["experiment"]}
                    self._messages[0] = {**self._messages[0], "run": answer["run"]}
                    self._stage = "metrics"
                case "trouble":
                    self._stage, self._trouble = answer["stage"], answer["why"]
                case "fine":
                    self._trouble = ""
                case "ended" if answer["number"] == self._number:
                    self._ended = answer
                case "gone" if not self._closed:
                    self._begin_again()
            self._changed.notify_all()

    def _begin_again(self) -> None:
        """Have another process in the place of one that was killed; it is told everything once more."""
        if self._starts >= _STARTS:
            self._trouble = (
                f"the process that writes it has ended {self._starts} times; see tracker.txt of the compute"
            )
            return
        self._messages[0] = {**self._messages[0], "begun": True}
        try:
            self._process = self._begin(None)
        except OSError as error:
            self._trouble = f"the process that writes it cannot be started: {error}"


def _last_points(progress: Progress) -> list[list[Any]]:
    done, step = progress.completed + progress.failed, int(progress.seconds)
    values = {"seconds": progress.seconds, "retried": progress.retried}
    if progress.seconds:
        values["mean_rate"] = done / progress.seconds
    return [[key, value, milliseconds(), step] for key, value in values.items()]


def _and_more(left: list[str]) -> str:
    return f" and {len(left) - 1} more; see logs/sys/driver.txt" if left[1:] else ""
