"""What the demo counts: right answers, time and throughput."""

from __future__ import annotations

import csv
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """How one job did.

    Attributes
    ----------
    correct, rows
        Right predictions, of all.
    seconds
        From the beginning of the first mini-batch to the end of the last one.
    """

    correct: int
    rows: int
    files: int
    seconds: float

    @property
    def accuracy(self) -> float:
        """Share of right predictions."""
        return self.correct / self.rows


def count(predicted: Sequence[int], known: Sequence[int], *, files: int, report: Path) -> Figures:
    """Return the figures of a job from its rows and its report on mini-batches."""
    right = sum(p == k for p, k in zip(predicted, known, strict=True))
    return Figures(correct=right, rows=len(known), files=files, seconds=scoring_seconds(report))


def scoring_seconds(report: Path) -> float:
    """Return the time between the first beginning and the last end of an attempt in ``processed_mini-batches.csv``."""
    with report.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    starts = [dt.datetime.fromisoformat(row["Process Start Time"]).timestamp() for row in rows]
    ends = [start + float(row["Elapsed Seconds"]) for start, row in zip(starts, rows, strict=True)]
    return max(ends) - min(starts)
