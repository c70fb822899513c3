"""What must hold for every job after any fault, checked from outside by one function."""

from __future__ import annotations

import sqlite3
import time
import zlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

import psutil

from batchmagic.entities.status import TRANSITIONS, JobStatus
from batchmagic.workspace.ledger import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from main_job_support import Lab

    from batchmagic.workspace.job_events import JobEvent
    from batchmagic.workspace.job_records import JobRecord

_FAILED_KINDS = ("error", "timeout", "crash", "out_of_memory")


@dataclass
class Findings:
    """What is wrong with a job: rows by number, and everything else in words."""

    lost: int = 0
    duplicated: int = 0
    torn: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.duplicated or self.torn or self.problems)

    def counts(self) -> dict[str, int | bool]:
        """Return what `Tally.trial` takes."""
        return {"lost": self.lost, "duplicated": self.duplicated, "torn": self.torn, "bad": not self.ok}


def examine(
    lab: Lab,
    name: str,
    expected: bytes | None,
    *,
    status: str = "Completed",
    user_failures: int | None = None,
) -> Findings:
    """Return what is wrong with an ended job.

    Parameters
    ----------
    expected
        The bytes of the output; None if there must be none.
    status
        In which the job must have ended.
    user_failures
        How many attempts the script itself must have failed; None if that is open.
    """
    job = lab.job(name)
    found = Findings()
    if str(job.status) != status:
        found.problems.append(f"the job is {job.status}: {job.status_detail} {job.error}")
    _rows(found, lab, job, expected)
    found.problems += history_problems(lab.client.session.read().jobs.events(name), job)
    found.problems += _ledger_problems(lab, job, user_failures)
    found.problems += _leftovers(lab.root / "jobs" / name, job)
    found.problems += [
        f"{path.name} is damaged: {answer}"
        for path in (lab.root / "workspace.db", lab.root / "jobs" / name / "ledger.db")
        if (answer := _integrity(path)) != "ok"
    ]
    return found


def _rows(found: Findings, lab: Lab, job: JobRecord, expected: bytes | None) -> None:
    path = lab.root / "jobs" / job.name / "outputs" / "score" / job.spec.settings.output_file_name
    if expected is None:
        if path.exists():
            found.problems.append("there is an output")
        return
    if not path.exists():
        found.lost = len(expected.splitlines())
        found.problems.append("there is no output")
        return
    actual = path.read_bytes()
    if actual == expected:
        return
    want, have = Counter(expected.splitlines()), Counter(actual.splitlines())
    found.lost = (want - have).total()
    surplus = have - want
    found.duplicated = sum(count for row, count in surplus.items() if row in want)
    found.torn = surplus.total() - found.duplicated
    if not (found.lost or surplus):
        found.problems.append("the rows are in another order")


def history_problems(events: list[JobEvent], job: JobRecord) -> list[str]:
    """Return what is illegal in the history of a job that has ended."""
    if not events or events[0].status is not JobStatus.QUEUED:
        return [f"the history does not begin with Queued: {events[:1]}"]
    problems = []
    for before, after in pairwise(events):
        step = f"{before.status} (run {before.run}) -> {after.status} (run {after.run})"
        if after.status not in TRANSITIONS[before.status]:
            problems.append(f"illegal: {step}")
        if after.run - before.run != (after.status is JobStatus.QUEUED):
            problems.append(f"a run begins by Queued and ends once: {step}")
        if (before.epoch or 0) > (after.epoch or before.epoch or 0):
            problems.append(f"an owner that was replaced has written: {step}")
    last = events[-1]
    if not last.status.is_terminal or (last.status, last.run) != (job.status, job.run):
        problems.append(f"the history ends with {last.status}, the job is {job.status}")
    return problems


def _ledger_problems(lab: Lab, job: JobRecord, user_failures: int | None) -> list[str]:
    folder = lab.root / "jobs" / job.name
    if not (folder / "ledger.db").exists():
        return []
    problems = []
    ledger = Ledger.open(folder, readonly=True)
    try:
        stored, counted = ledger.progress(), ledger.recount()
        commits = list(ledger.iter_commits())
        failures = list(ledger.iter_failures())
    finally:
        ledger.close()
    if (stored.completed, stored.failed, stored.rows) != (counted.completed, counted.failed, counted.rows):
        problems.append(f"the counters say {stored}, the commits {counted}")
    shown = job.progress
    if (shown.completed, shown.failed, shown.rows) != (counted.completed, counted.failed, counted.rows):
        problems.append(f"the job shows {shown}, its ledger has {counted}")
    if job.status is JobStatus.COMPLETED and counted.completed + counted.failed != counted.mini_batches:
        problems.append(f"completed with {counted}")
    if job.status is JobStatus.COMPLETED and shown.running:
        problems.append(f"completed with {shown.running} running")
    kept = {(c.mini_batch, c.part) for c in commits}
    if len(kept) != len(commits):
        problems.append("a mini-batch is committed twice")
    problems += _attempt_problems(
        lab,
        job,
        [f.kind for f in failures],
        Counter((f.mini_batch, f.part) for f in failures if f.kind in _FAILED_KINDS),
        user_failures,
    )
    if (folder / "spool").exists():
        problems += _damage(folder / "spool", commits)
    return problems


def _attempt_problems(lab, job, kinds, failed, user_failures) -> list[str]:
    """Within a run an attempt may come again for each owner that the compute has had, as a crash forgets it."""
    owners = max((e.epoch or 1 for e in lab.client.session.read().jobs.events(job.name)), default=1)
    limit = (1 + job.spec.settings.max_retries) * max(owners, job.run)
    problems = [
        f"mini-batch {key} failed {n} times, at most {limit}" for key, n in failed.items() if n > limit
    ]
    own = sum(kind in _FAILED_KINDS for kind in kinds)
    if user_failures is not None and own != user_failures:
        problems.append(
            f"{own} attempts count as the script's failures, not {user_failures}: {Counter(kinds)}"
        )
    return problems


def _damage(spool: Path, commits) -> list[str]:
    problems = []
    for commit in commits:
        if commit.place is not None:
            segment, offset, length, crc = commit.place
            path = spool / segment
            rows = path.read_bytes()[offset : offset + length] if path.exists() else b""
            if zlib.crc32(rows) != crc or len(rows) != length:
                problems.append(f"the rows of mini-batch {commit.mini_batch} are not in {segment}")
    return problems


def _leftovers(folder: Path, job: JobRecord) -> list[str]:
    """Look until nothing is left, or for 15 seconds: the driver closes its files after the job's end is told."""
    deadline = time.monotonic() + 15
    while (found := _litter(folder, job) + processes_in(folder)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [f"left of the job: {sorted(found)}"] if found else []


def _litter(folder: Path, job: JobRecord) -> list[str]:
    found = [str(p.relative_to(folder)) for p in folder.rglob("*") if _is_litter(p)]
    nothing_to_redo = job.status is JobStatus.COMPLETED and not job.progress.files_failed
    found += [name for name in ("work", *(["spool"] if nothing_to_redo else [])) if (folder / name).exists()]
    score = folder / "outputs" / "score"
    wanted = {job.spec.settings.output_file_name}
    return found + [f"outputs/score/{p.name}" for p in score.glob("*") if p.name not in wanted]


def _is_litter(path: Path) -> bool:
    return path.name.endswith((".tmp", ".new")) or path.name.startswith("begun-")


def processes_in(folder: Path) -> list[str]:
    """Return the scoring processes that still work in a job's folder."""
    found = []
    for process in psutil.process_iter():
        try:
            files = [process.cwd(), *(f.path for f in process.open_files())]
        except (psutil.Error, OSError):
            continue  # it has ended meanwhile, or belongs to somebody else
        if process.pid != psutil.Process().pid and any(f.startswith(f"{folder}/") for f in files):
            found.append(f"{process.pid} {' '.join(process.cmdline())[:200]}")
    return found


def _integrity(path: Path) -> str:
    if not path.exists():
        return "ok"
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
