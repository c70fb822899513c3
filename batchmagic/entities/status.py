"""The states of a job, and which may follow which: one table for the store, the driver and the views."""

from __future__ import annotations

from enum import StrEnum


class JobStatus(StrEnum):
    """Azure's job states, as far as a batch job reaches them."""

    QUEUED = "Queued"
    PREPARING = "Preparing"
    RUNNING = "Running"
    FINALIZING = "Finalizing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCEL_REQUESTED = "CancelRequested"
    CANCELED = "Canceled"
    NOT_RESPONDING = "NotResponding"

    @property
    def is_terminal(self) -> bool:
        """Whether a run that reached this state is over."""
        return self in TERMINAL


_S = JobStatus

TERMINAL = frozenset({_S.COMPLETED, _S.FAILED, _S.CANCELED, _S.NOT_RESPONDING})

# A run goes through this table once. What leads out of a terminal state is a new run (`resume`).
TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    _S.QUEUED: frozenset({_S.PREPARING, _S.CANCEL_REQUESTED, _S.CANCELED, _S.FAILED, _S.NOT_RESPONDING}),
    _S.PREPARING: frozenset({_S.RUNNING, _S.CANCEL_REQUESTED, _S.CANCELED, _S.FAILED, _S.NOT_RESPONDING}),
    _S.RUNNING: frozenset({_S.FINALIZING, _S.CANCEL_REQUESTED, _S.FAILED, _S.NOT_RESPONDING}),
    # Back to Running: rows in the spool were found damaged, and are scored again.
    _S.FINALIZING: frozenset({_S.RUNNING, _S.COMPLETED, _S.FAILED, _S.NOT_RESPONDING}),
    # Whoever asked for the end gets it, whatever else goes wrong meanwhile.
    _S.CANCEL_REQUESTED: frozenset({_S.CANCELED}),
    _S.COMPLETED: frozenset({_S.QUEUED}),
    _S.FAILED: frozenset({_S.QUEUED}),
    _S.CANCELED: frozenset({_S.QUEUED}),
    _S.NOT_RESPONDING: frozenset({_S.QUEUED}),
}


def sources_of(new: JobStatus) -> frozenset[JobStatus]:
    """Return the states from which `new` may be reached."""
    return frozenset(old for old, targets in TRANSITIONS.items() if new in targets)
