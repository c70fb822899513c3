"""The rows of processed_mini-batches.csv: one per attempt, with Azure's columns."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchmagic.workspace.ledger_entries import Commit, Failure

COLUMNS = (
    "Mini-batch Id",
    "Picked Count",
    "Process",
    "Process Start Time",
    "Total",
    "Succeeded",
    "Failed",
    "Elapsed Seconds",
    "Status",
    "Error Category",
    "Error Message",
)


_MAX_REASON = 300


def short_reason(reason: str) -> str:
    """Return a reason as tables of many rows have it; the whole of it stands in job_error.txt."""
    return reason if len(reason) <= _MAX_REASON else f"{reason[: _MAX_REASON - 1]}…"


def commit_row(commit: Commit) -> tuple[Any, ...]:
    """Return the row of an attempt that succeeded."""
    return (*_head(commit), commit.files, commit.files, 0, f"{commit.seconds:.6f}", "RUN_DONE", "", "")


def failed_row(failure: Failure, files: int) -> tuple[Any, ...]:
    """Return the row of an attempt at `files` files that did not succeed."""
    status = "RUN_TIMEOUT" if failure.kind == "timeout" else "RUN_EXCEPTION"
    seconds = f"{failure.seconds:.6f}"
    return (*_head(failure), files, 0, files, seconds, status, failure.kind, short_reason(failure.reason))


def _head(entry: Commit | Failure) -> tuple[Any, ...]:
    started = dt.datetime.fromtimestamp(entry.started, dt.UTC).isoformat() if entry.started else ""
    return entry.mini_batch, entry.attempt, f"{entry.instance}/process{entry.slot:03d}", started
