"""How far a job is: the counters that the ledger commits and every view shows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """Counters of one job. `completed` and `failed` are mini-batches that reached their end.

    Attributes
    ----------
    mini_batches, files
        Totals of the plan.
    running
        Mini-batches handed out and not yet committed.
    retried
        Attempts beyond the first.
    rows
        Rows that are committed.
    seconds
        Time that runs of this job have taken so far.
    """

    mini_batches: int = 0
    completed: int = 0
    failed: int = 0
    running: int = 0
    retried: int = 0
    files: int = 0
    files_failed: int = 0
    rows: int = 0
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return the counters as a dictionary."""
        return asdict(self)
