"""`Job`: a job in the hands of a notebook; it asks the workspace again each time it is asked."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.entities.status import JobStatus
from batchmagic.sdk import follow
from batchmagic.sdk.download import download
from batchmagic.sdk.error_report import ErrorReport
from batchmagic.sdk.job_definition import definition_text
from batchmagic.sdk.job_view import job_of
from batchmagic.sdk.jobs import JobOperations
from batchmagic.sdk.log_text import LogText
from batchmagic.sdk.pace import headline
from batchmagic.sdk.results import output_file, output_folder, read_result
from batchmagic.sdk.stream import raise_if_failed

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Generator, Iterable, Mapping

    import pandas as pd

    from batchmagic.entities import BatchJob
    from batchmagic.entities.progress import Progress
    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord


class Job:
    """A batch job: every attribute is as it is now, every verb is that of ``ml_client.jobs``.

    ``await job`` waits without holding up the event loop. Like `wait` it returns the job however the job ended, as
    waiting for a process does; `result` is what raises when there is none.

    Interrupting a wait leaves the job running and says so.

    Parameters
    ----------
    session
        Of the client that it belongs to.
    name
        The job's full name.

    Attributes
    ----------
    on_end
        Called when `wait`, `result` or ``await`` has seen the job's end, before they return or raise.
    """

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name
        self._operations = JobOperations(session)
        self.on_end: Callable[[], object] | None = None

    # --- what it is and how it stands

    @property
    def name(self) -> str:
        """The job's name."""
        return self._name

    @property
    def id(self) -> str:
        """The job's name as a reference."""
        return self.snapshot.id or ""

    @property
    def type(self) -> str:
        """Azure's word for it: ``pipeline``."""
        return self.snapshot.type

    @property
    def status(self) -> JobStatus:
        """The job's status, which equals Azure's word for it."""
        return self._look().status

    @property
    def status_detail(self) -> str:
        """The status in words: what it waits for, what it does, why it failed."""
        return self._look().status_detail

    @property
    def progress(self) -> Progress:
        """The job's counters."""
        return self._look().progress

    @property
    def endpoint_name(self) -> str:
        """The endpoint that was invoked."""
        return self._record().spec.endpoint

    @property
    def deployment_name(self) -> str:
        """The deployment that scores."""
        return self._record().spec.deployment

    @property
    def snapshot(self) -> BatchJob:
        """The job as ``ml_client.jobs.get`` returns it."""
        return job_of(self._session.read(), self._look())

    @property
    def definition(self) -> str:
        """What was frozen when the job was invoked, as YAML without secrets."""
        return definition_text(self._record())

    @property
    def output(self) -> Path | None:
        """The file with the rows, or the folder of a script that keeps its own files; None while there is none."""
        ws, record = self._session.read(), self._record()
        path = output_file(ws, record)
        if path is None:
            path = output_folder(ws, record)
        elif record.status is not JobStatus.COMPLETED:
            # What lies there is another job's, which this one was told to replace.
            return None
        return path if path.exists() else None

    # --- waiting

    def wait(self, timeout: float | None = None) -> Job:
        """Return this job once it has ended, however it ended.

        Raises
        ------
        TimeoutError
            When `timeout` seconds have passed; the job goes on.
        """
        self._ended(timeout)
        return self

    def result(self) -> pd.DataFrame:
        """Return the job's rows, once it has ended.

        Raises
        ------
        JobException
            If the job failed or was canceled.
        """
        record = self._ended(None)
        raise_if_failed(self._session, record)
        return read_result(self._session.read(), record)

    def __await__(self) -> Generator[Any, None, Job]:
        return self._awaited().__await__()

    async def _awaited(self) -> Job:
        try:
            await follow.ended(self._session, self._name)
        except (asyncio.CancelledError, KeyboardInterrupt):
            # A kernel turns a person's interrupt of an `await` into a cancellation.
            follow.tell_interrupted(self._session, self._name)
            raise
        self._seen_ended()
        return self

    def _ended(self, timeout: float | None) -> JobRecord:
        with follow.interruptible(self._session, self._name):
            record = follow.wait(self._session, self._name, timeout=timeout)
        self._seen_ended()
        return record

    def _seen_ended(self) -> None:
        if self.on_end is not None:
            self.on_end()

    # --- looking into it

    def errors(self, *, full: bool = False) -> ErrorReport:
        """Return what failed so far, one group per kind of error, the one with most failed files first.

        Parameters
        ----------
        full
            Show the tracebacks too.
        """
        groups = self._session.error_groups(self._name)
        steps = []
        if groups and not full:
            steps = [f"{self._session.command} job errors {self._session.short_name(self._name)} --full"]
        return ErrorReport(self._name, groups, steps=steps, full=full)

    def logs(self, path: str | None = None) -> LogText:
        """Return the text of a log: the one whose path ends with `path`, else the one to read first."""
        return LogText(self._operations.logs(self._name, path))

    def download(self, path: str | os.PathLike[str] = ".", output_name: str | None = None) -> list[Path]:
        """Copy the logs to ``<path>/artifacts``, or an output there, and return the folders that were written.

        Parameters
        ----------
        output_name
            ``score`` copies the output to ``<path>/named-outputs/score`` instead.

        Raises
        ------
        JobException
            If the job has not ended.
        """
        return download(self._session.read(), self._record(), to=Path(path), output_name=output_name)

    # --- changing it

    def cancel(self, *, wait: bool = False) -> Job:
        """Ask for the job's end and return this job.

        Parameters
        ----------
        wait
            Return when it has ended.

        Raises
        ------
        StateError
            If it has ended already.
        """
        self._operations.begin_cancel(self._name)
        return self.wait() if wait else self

    def resume(
        self,
        *,
        redo_failed: bool = False,
        deployment_version: int | str | None = None,
        params_override: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None = None,
    ) -> Job:
        """Run what is left of the job, which has ended, as a new numbered run, and return this job.

        Parameters
        ----------
        redo_failed
            Score the files that failed again too.
        deployment_version
            Another version of the deployment, or ``latest``.
        params_override
            Settings that are different in the new run.

        Raises
        ------
        StateError
            If the job has not ended, or nothing is left of it.
        """
        self._operations.resume(
            self._name,
            redo_failed=redo_failed,
            deployment_version=deployment_version,
            params_override=params_override,
        )
        return self

    # --- as a value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Job) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self._identity())

    def __repr__(self) -> str:
        record = self._record()
        return f"Job({record.name}: {headline(record.status, record.progress)})"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        from batchmagic.sdk.job_document import job_document  # noqa: PLC0415 - only what is displayed needs them
        from batchmagic.twins import bundle  # noqa: PLC0415

        record = self._look()
        groups = self._session.error_groups(self._name)
        return bundle("job", job_document(self._session.read(), record, groups=groups, session=self._session))

    def _identity(self) -> tuple[str, str]:
        return str(self._session.read().root), self._name

    def _record(self) -> JobRecord:
        return self._session.job(self._name)

    def _look(self) -> JobRecord:
        """Return the job as it is now, and see to it that an unfinished one has a host."""
        record = self._record()
        self._session.look_after([record])
        return record
