"""What can be asked about the jobs of a workspace."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from batchmagic.entities.status import TERMINAL, JobStatus
from batchmagic.workspace import job_events, job_keys
from batchmagic.workspace import job_records as rows
from batchmagic.workspace.tables import jobs

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from sqlalchemy import Row, Select

    from batchmagic.workspace.database import Database
    from batchmagic.workspace.job_events import JobEvent
    from batchmagic.workspace.job_records import JobRecord

_UNFINISHED = [status.value for status in JobStatus if status not in TERMINAL]


class JobQueries:
    """Jobs by name, key, endpoint, compute and status.

    Parameters
    ----------
    folder
        Of all jobs.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def submitted(self, idempotency_key: str, request: str) -> JobRecord | None:
        """Return the job that `submit` stored for this key and request; None if there is none.

        Raises
        ------
        ResourceExistsError
            If the key came before with another request.
        """
        with self._database.read() as connection:
            found = job_keys.earlier(connection, idempotency_key, request)
            return None if found is None else self._record(found)

    def get(self, name: str) -> JobRecord:
        """Return the job.

        Raises
        ------
        ResourceNotFoundError
            If no job, or more than one, is meant.
        """
        with self._database.read() as connection:
            return self._record(rows.find(connection, name))

    def events(self, name: str) -> builtins.list[JobEvent]:
        """Return every change of the job's state, over all its runs, in order."""
        with self._database.read() as connection:
            return job_events.read(connection, rows.find(connection, name))

    def list(
        self,
        endpoint: str | None = None,
        deployment: str | None = None,
        statuses: Iterable[JobStatus] | None = None,
        limit: int | None = None,
        *,
        archived: bool | None = None,
        before: int | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> list[JobRecord]:
        """Return the jobs to which all that is given applies, newest first; `before` is a `seq`."""
        query = select(jobs).order_by(jobs.c.seq.desc()).limit(limit)
        if endpoint is not None:
            query = query.where(jobs.c.endpoint == endpoint)
        if deployment is not None:
            query = query.where(jobs.c.deployment == deployment)
        if archived is not None:
            query = query.where(jobs.c.archived == archived)
        if before is not None:
            query = query.where(jobs.c.seq < before)
        for name, value in (properties or {}).items():
            path = ("properties", name)
            attached = func.coalesce(jobs.c.labels[path].as_string(), jobs.c.spec[path].as_string())
            query = query.where(attached == value)
        if statuses is not None:
            query = query.where(jobs.c.status.in_([status.value for status in statuses]))
        return self._all(query)

    def count(self) -> Counter[JobStatus]:
        """Return how many jobs have each status."""
        query = select(jobs.c.status, func.count()).group_by(jobs.c.status)
        with self._database.read() as connection:
            return Counter({JobStatus(status): number for status, number in connection.execute(query)})

    def waiting(self, compute: str) -> builtins.list[JobRecord]:
        """Return the queued jobs of the compute in order of submission."""
        query = select(jobs).where(jobs.c.compute == compute, jobs.c.status == JobStatus.QUEUED.value)
        return self._all(query.order_by(jobs.c.seq))

    def unfinished(self, compute: str) -> builtins.list[JobRecord]:
        """Return the jobs of the compute whose run has not ended, in order of submission."""
        query = select(jobs).where(jobs.c.compute == compute, jobs.c.status.in_(_UNFINISHED))
        return self._all(query.order_by(jobs.c.seq))

    def is_taken(self, name: str) -> bool:
        """Return whether there is a job of this whole name, in whatever case its letters are."""
        with self._database.read() as connection:
            return connection.execute(select(jobs.c.seq).where(jobs.c.name == name)).first() is not None

    def writers(self, output_path: str) -> builtins.list[JobRecord]:
        """Return the jobs that have not ended and write into the folder, as `JobSpec.output_path` names it."""
        query = select(jobs).where(
            jobs.c.status.in_(_UNFINISHED), jobs.c.spec["output_path"].as_string() == output_path
        )
        return self._all(query)

    def cancel_requested(self, name: str) -> bool:
        """Return whether the job shall stop."""
        with self._database.read() as connection:
            status = rows.find(connection, name).status
        return bool(status in {JobStatus.CANCEL_REQUESTED.value, JobStatus.CANCELED.value})

    def _all(self, query: Select[Any]) -> builtins.list[JobRecord]:
        with self._database.read() as connection:
            return [self._record(row) for row in connection.execute(query)]

    def _record(self, row: Row[Any]) -> JobRecord:
        return rows.record(row, self._folder)
