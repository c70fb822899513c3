"""The jobs of a workspace: their rows, folders and states."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from batchmagic import failpoints
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus, sources_of
from batchmagic.errors import Fenced, ResourceExistsError, StateError, TooManyRequests
from batchmagic.workspace import job_events, job_keys
from batchmagic.workspace import job_records as rows
from batchmagic.workspace.claims import ClaimStore
from batchmagic.workspace.folders import move_away, private_folder, remove_tree
from batchmagic.workspace.garbage import TRASH, collect
from batchmagic.workspace.job_labels import relabel
from batchmagic.workspace.job_queries import JobQueries
from batchmagic.workspace.records import now, refuse_twin
from batchmagic.workspace.redaction import redact
from batchmagic.workspace.tables import jobs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from sqlalchemy import Connection, Row

    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.database import Database
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.secret_store import SecretStore

_RETRY_SECONDS = 60
_STARTED = frozenset({JobStatus.PREPARING, JobStatus.RUNNING})


class JobStore(JobQueries):
    """Jobs by name. Wherever a name is taken, the child's name and an unambiguous beginning are as good."""

    def __init__(self, database: Database, root: Path, secrets: SecretStore) -> None:
        super().__init__(database, root / "jobs")
        self._root = root
        self._secrets = secrets

    def submit(
        self,
        spec: JobSpec,
        *,
        secrets: Mapping[str, str] | None = None,
        labels: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        request: str | None = None,
        most_queued: int | None = None,
    ) -> JobRecord:
        """Store the job as Queued, with its folder and secrets, and return it.

        Parameters
        ----------
        spec
            With an empty `name`, the job gets one.
        secrets
            Values of its environment variables.
        labels
            See `relabel`.
        idempotency_key
            A second submission with the same key returns the job of the first.
        request
            A digest of what was asked for; by default one of the fields that a caller sets.
        most_queued
            How many jobs of the workspace may wait at once.

        Raises
        ------
        ResourceExistsError
            If there is a job of that name, or the key came before with another request.
        TooManyRequests
            If so many wait already.
        """
        if spec.name:
            rows.checked_name(spec.name)
        request = request or rows.request_of(spec)
        with self._database.write() as connection:
            earlier = job_keys.earlier(connection, idempotency_key, request)
            if earlier is not None:
                return self._record(earlier)
            _check_queue(connection, most_queued)
            name = self._free_name(connection, spec.name)
            self._prepare(name, secrets or {})
            failpoints.hit("submit.before_row")
            spec = replace(spec, name=name)
            connection.execute(
                insert(jobs).values(
                    name=name,
                    run=1,
                    status=JobStatus.QUEUED.value,
                    status_detail="",
                    spec=redact(spec.to_json()),
                    **_columns(spec),
                    progress=Progress().to_json(),
                    error=None,
                    idempotency_key=idempotency_key,
                    request=request,
                    created_at=now(),
                )
            )
            relabel(connection, rows.find(connection, name), labels or {})
            job_events.note(connection, rows.find(connection, name), JobStatus.QUEUED)
        failpoints.hit("submit.after_row")
        return self.get(name)

    def transition(
        self,
        name: str,
        new: JobStatus,
        *,
        detail: str = "",
        error: Mapping[str, Any] | None = None,
        claim: Claim | None = None,
        run: int | None = None,
    ) -> JobRecord:
        """Bring the job into the state `new` and return it.

        The first state of work stamps the start of the run, a terminal one its end; nothing runs then. A job
        that completed with no failure can not be resumed, so its secrets are gone then.

        Parameters
        ----------
        claim
            Do it only as the owner of this claim.
        run
            Do it only in this run.

        Raises
        ------
        StateError
            If the job is in no state that `new` may follow; nothing is changed.
        Fenced
            If the claim was taken over, or the job is in another run.
        """
        if new is JobStatus.QUEUED:
            raise StateError("A job goes back to Queued by a new run.", target="status")
        values: dict[str, Any] = {"status": new.value, "status_detail": detail}
        if error is not None:
            values["error"] = redact(dict(error))
        with self._database.write() as connection:
            row = _owned(connection, name, claim)
            if run is not None and row.run != run:
                # Canceled in the queue and resumed at once: what the former run was to do is nobody's any more.
                raise Fenced(f"Job {row.name} is in run {row.run}; this is run {run}.", target="run")
            if new in _STARTED and row.started_at is None:
                values["started_at"] = now()
            if new.is_terminal:
                values["ended_at"] = max(now(), row.started_at or row.created_at)
                values["progress"] = {**row.progress, "running": 0}
            allowed = [status.value for status in sources_of(new)]
            done = connection.execute(
                update(jobs).where(jobs.c.seq == row.seq, jobs.c.status.in_(allowed)).values(**values)
            )
            if done.rowcount == 0:
                raise StateError(f"Job {row.name} is {row.status} and cannot become {new}.", target="status")
            job_events.note(connection, row, new, detail=detail, claim=claim)
            changed = self._record(rows.find(connection, row.name))
            if not rows.can_resume(changed):
                # Before the commit: nothing of a run that is over would come back to do it.
                self._secrets.delete(changed.name)
        return changed

    def label(self, name: str, *, claim: Claim | None = None, **changes: Any) -> None:
        """Change what is written on the job; see `relabel`."""
        with self._database.write() as connection:
            relabel(connection, _owned(connection, name, claim), changes)

    def set_detail(self, name: str, detail: str, *, claim: Claim | None = None) -> None:
        """Say in words what the job does or waits for."""
        with self._database.write() as connection:
            row = _owned(connection, name, claim)
            if row.status_detail != detail:
                connection.execute(update(jobs).where(jobs.c.seq == row.seq).values(status_detail=detail))

    def tell_waiting(self, details: Mapping[str, str], *, claim: Claim) -> None:
        """Say in words what each of these queued jobs waits for, in one write; what waits no more is left alone."""
        told = update(jobs).values(status_detail=bindparam("detail"))
        told = told.where(jobs.c.name == bindparam("job"), jobs.c.status == JobStatus.QUEUED.value)
        with self._database.write() as connection:
            ClaimStore.check(connection, claim)
            connection.execute(told, [{"job": name, "detail": detail} for name, detail in details.items()])

    def set_progress(self, name: str, progress: Progress, *, claim: Claim | None = None) -> None:
        """Keep the counters, for every view to show."""
        with self._database.write() as connection:
            row = _owned(connection, name, claim)
            connection.execute(update(jobs).where(jobs.c.seq == row.seq).values(progress=progress.to_json()))

    def request_cancel(self, name: str) -> JobRecord:
        """Cancel the job: a queued one is Canceled at once, a running one by its driver soon.

        Raises
        ------
        StateError
            If its run has ended, or is past the point at which it can be stopped.
        """
        with self._database.write() as connection:
            row = rows.find(connection, name)
            status = JobStatus(row.status)
            if status is JobStatus.QUEUED:
                values = {"status": JobStatus.CANCELED.value, "ended_at": max(now(), row.created_at)}
            elif status in sources_of(JobStatus.CANCEL_REQUESTED):
                values = {"status": JobStatus.CANCEL_REQUESTED.value}
            elif status is JobStatus.CANCEL_REQUESTED:
                return self._record(row)
            elif status is JobStatus.FINALIZING:
                raise StateError(
                    f"Job {row.name} is Finalizing: every mini-batch is done and the output is being put "
                    "together; it is too late to cancel.",
                    target="status",
                )
            else:
                raise StateError(f"Job {row.name} is {status}: there is nothing to cancel.", target="status")
            connection.execute(update(jobs).where(jobs.c.seq == row.seq).values(**values, status_detail=""))
            job_events.note(connection, row, JobStatus(values["status"]))
            return self._record(rows.find(connection, row.name))

    def begin_run(
        self,
        name: str,
        *,
        after: int | None = None,
        spec: JobSpec | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> int:
        """Queue an ended job again and return the number of the new run.

        Parameters
        ----------
        after
            Do it only if this is still the job's last run, by which the caller has judged it.
        spec
            What the new run shall be instead, for a resume with changed settings or another version.
        secrets
            Values of environment variables in place of those kept.

        Raises
        ------
        StateError
            If the job's run has not ended, or it completed with nothing left to do, or somebody else has
            resumed it meanwhile.
        """
        with self._database.write() as connection:
            row = rows.find(connection, name)
            rows.check_new_run(self._record(row), after=after)
            values: dict[str, Any] = {
                "run": row.run + 1,
                "status": JobStatus.QUEUED.value,
                "status_detail": "",
                "started_at": None,
                "ended_at": None,
                "error": None,
            }
            if spec is not None:
                spec = replace(spec, name=row.name)
                values |= {"spec": redact(spec.to_json()), **_columns(spec)}
            if secrets is not None:
                self._secrets.put(row.name, secrets)
            failpoints.hit("resume.before_row")
            connection.execute(update(jobs).where(jobs.c.seq == row.seq).values(**values))
            job_events.note(connection, row, JobStatus.QUEUED, run=row.run + 1)
        return int(row.run) + 1

    def delete(self, name: str) -> None:
        """Remove the job's row, folder and secrets, and snapshots that nothing else uses.

        An output that was written outside the workspace stays.

        Raises
        ------
        StateError
            If its run has not ended.
        """
        with self._database.write() as connection:
            row = rows.find(connection, name)
            if not JobStatus(row.status).is_terminal:
                raise StateError(
                    f"Job {row.name} is {row.status}; only an ended job can be deleted.",
                    target="status",
                    hint="Cancel it first, and wait for its end.",
                )
            connection.execute(delete(jobs).where(jobs.c.seq == row.seq))
            job_events.forget(connection, row)
        # Not before the commit: a job whose row stayed must have its files. Its folder may already be that
        # of a new job of the same name, whose row is there then.
        self._remove_remains(row.name)
        collect(self._database, self._root)

    def _remove_remains(self, name: str) -> None:
        with self._database.write() as connection:
            if connection.execute(select(jobs.c.seq).where(jobs.c.name == name)).first() is not None:
                return
            taken = move_away(self._folder / name, self._root / TRASH)
            self._secrets.delete(name)
        if taken is not None:
            remove_tree(taken)

    def _free_name(self, connection: Connection, wanted: str) -> str:
        if not wanted:
            return rows.new_name(connection)
        refuse_twin(connection, jobs, "job", wanted)
        if connection.execute(select(jobs.c.seq).where(jobs.c.name == wanted)).first() is not None:
            raise ResourceExistsError(
                f"There is a job {wanted!r} already.", target="name", hint="Use another name, or none."
            )
        return wanted

    def _prepare(self, name: str, values: Mapping[str, str]) -> None:
        # Under the write lock, and without a row: what is there is left from a submission or deletion that
        # was interrupted.
        taken = move_away(self._folder / name, self._root / TRASH) if (self._folder / name).exists() else None
        private_folder(self._folder)
        private_folder(self._folder / name)
        self._secrets.put(name, values)
        if taken is not None:
            remove_tree(taken)


def _check_queue(connection: Connection, most: int | None) -> None:
    if most is None:
        return
    waiting = select(func.count()).where(jobs.c.status == JobStatus.QUEUED.value)
    if connection.execute(waiting).scalar_one() >= most:
        raise TooManyRequests(f"{most} jobs wait already.", retry_after=_RETRY_SECONDS, target="queue")


def _columns(spec: JobSpec) -> dict[str, Any]:
    own = ("endpoint", "deployment", "compute", "code_dir", "model_dir")
    return {name: getattr(spec, name) for name in own}


def _owned(connection: Connection, name: str, claim: Claim | None) -> Row[Any]:
    if claim is not None:
        ClaimStore.check(connection, claim)
    return rows.find(connection, name)
