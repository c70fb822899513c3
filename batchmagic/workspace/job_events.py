"""What happened to a job: every change of its state, written in the transaction that makes it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select

from batchmagic.entities.status import JobStatus
from batchmagic.workspace.records import now
from batchmagic.workspace.tables import job_events

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row

    from batchmagic.workspace.claims import Claim


@dataclass(frozen=True, kw_only=True, slots=True)
class JobEvent:
    """One change of a job's state.

    Attributes
    ----------
    seq
        Rises with every event of the workspace; the order of events, whatever the clock did.
    epoch
        Of the claim under which it was done; None where none was needed, as for a submission.
    """

    seq: int
    run: int
    at: dt.datetime
    status: JobStatus
    detail: str
    epoch: int | None


def note(
    connection: Connection,
    job: Row[Any],
    status: JobStatus,
    *,
    detail: str = "",
    run: int | None = None,
    claim: Claim | None = None,
) -> None:
    """Write down, in the caller's transaction, that the job of this row comes into `status`."""
    connection.execute(
        insert(job_events).values(
            job=job.seq,
            run=job.run if run is None else run,
            at=now(),
            status=status.value,
            detail=detail,
            epoch=claim.epoch if claim is not None else None,
        )
    )


def read(connection: Connection, job: Row[Any]) -> list[JobEvent]:
    """Return what happened to the job of this row, in order."""
    query = select(job_events).where(job_events.c.job == job.seq).order_by(job_events.c.seq)
    return [
        JobEvent(
            seq=row.seq,
            run=row.run,
            at=dt.datetime.fromtimestamp(row.at, dt.UTC),
            status=JobStatus(row.status),
            detail=row.detail,
            epoch=row.epoch,
        )
        for row in connection.execute(query)
    ]


def forget(connection: Connection, job: Row[Any]) -> None:
    """Remove what is known of a job that is deleted."""
    connection.execute(delete(job_events).where(job_events.c.job == job.seq))
