"""Progress in words: how fast it goes, how long it will take, and what one line says of it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic import words
from batchmagic.entities.status import JobStatus
from batchmagic.words import counted, left_text, rate_text

if TYPE_CHECKING:
    from batchmagic.entities.progress import Progress

_WINDOW = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Mini-batches per second, now and on the average, and the seconds that are left (None: unknown)."""

    now: float = 0.0
    mean: float = 0.0
    left: float | None = None


class Meter:
    """Turns snapshots of a job's counters into its pace."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def observe(self, progress: Progress, at: float) -> Pace:
        """Return the pace, after counting in the snapshot taken `at` (seconds of any steady clock)."""
        done = progress.completed + progress.failed
        if not done:
            # The time before the first result is that of starting up, and says nothing about the pace.
            self._seen.clear()
        self._seen.append((at, done))
        while len(self._seen) > 2 and at - self._seen[1][0] >= _WINDOW:  # noqa: PLR2004
            self._seen.popleft()
        since, before = self._seen[0]
        now = (done - before) / (at - since) if at > since else 0.0
        mean = done / progress.seconds if progress.seconds > 0 else now
        rate = now or mean
        remaining = progress.mini_batches - done
        return Pace(now=now, mean=mean, left=remaining / rate if rate > 0 and progress.mini_batches else None)


def headline(status: JobStatus, progress: Progress) -> str:
    """Return the status as a person must read it: ``Completed`` with failed files says so."""
    return words.headline(status, progress.files_failed)


def trouble(progress: Progress) -> list[str]:
    """Return what went wrong so far, in counts; nothing where all is well."""
    return words.trouble(retried=progress.retried, failed=progress.failed, files_failed=progress.files_failed)


def progress_line(status: JobStatus, detail: str, progress: Progress, pace: Pace) -> str:
    """Return one line that says how the job stands."""
    parts = [str(status)]
    if progress.mini_batches:
        done = progress.completed + progress.failed
        parts += [f"{done:,}/{progress.mini_batches:,} mini-batches", counted(progress.rows, "row")]
    if status is JobStatus.RUNNING and pace.now > 0:
        parts.append(rate_text(pace.now))
        if pace.left is not None:
            parts.append(f"{left_text(pace.left)} left")
    parts += trouble(progress)
    if detail and not status.is_terminal:
        parts.append(detail)
    return " · ".join(parts)
