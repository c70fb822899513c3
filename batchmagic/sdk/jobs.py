"""``ml_client.jobs``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.entities import Listing
from batchmagic.errors import StateError
from batchmagic.sdk import follow
from batchmagic.sdk.download import download
from batchmagic.sdk.error_report import error_frame
from batchmagic.sdk.job_view import child_of, job_of
from batchmagic.sdk.listed import view_of
from batchmagic.sdk.logs import find_log
from batchmagic.sdk.pollers import LROPoller, finished
from batchmagic.sdk.refusals import Refusing
from batchmagic.sdk.results import read_result
from batchmagic.sdk.resume import resume
from batchmagic.sdk.sparse import read_text
from batchmagic.sdk.stream import raise_if_failed, stream

if TYPE_CHECKING:
    import builtins
    import os
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from batchmagic.entities import BatchJob
    from batchmagic.entities.progress import Progress
    from batchmagic.sdk.job import Job
    from batchmagic.sdk.session import Session
    from batchmagic.workspace.ledger_errors import ErrorGroup


class JobOperations(Refusing):
    """Jobs by name; the name of a job's child, and the beginning of a name that fits one job only, are as good."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, name: str) -> BatchJob:
        """Return the job as it is now.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        ws, record = self._session.read(), self._session.job(name)
        self._session.look_after([record])
        is_child = name.lower() not in record.name.lower()
        return child_of(ws, record) if is_child else job_of(ws, record)

    def list(
        self,
        *,
        parent_job_name: str | None = None,
        list_view_type: str | None = None,
        max_results: int | None = None,
    ) -> Listing[BatchJob]:
        """Return jobs, newest first.

        Parameters
        ----------
        parent_job_name
            Return the one child of this job, which owns the logs and the output.
        list_view_type
            ``ActiveOnly`` (unless given), ``ArchivedOnly``, or ``All``.
        """
        if parent_job_name is not None:
            return Listing([child_of(self._session.read(), self._session.job(parent_job_name))], kind="job")
        ws = self._session.peek()
        archived = view_of(list_view_type)
        records = ws.jobs.list(limit=max_results, archived=archived) if ws else []
        self._session.look_after(records)
        jobs = [job_of(ws, record) for record in records] if ws else []
        return Listing(jobs, kind="job", nothing="No jobs yet.")

    def handle(self, name: str) -> Job:
        """Return the job as an object with verbs of its own, which a notebook also shows; Azure has no such thing.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        from batchmagic.sdk.job import Job  # noqa: PLC0415 - it is made of this

        return Job(self._session, self._session.job(name).name)

    def stream(self, name: str) -> None:
        """Print the job's progress until it ends, then a summary.

        Raises
        ------
        JobException
            If the job failed; its first line is the scoring script's own error.
        """
        stream(self._session, name)

    def wait(self, name: str, timeout: float | None = None) -> BatchJob:
        """Return the job once it has ended, however it ended.

        Raises
        ------
        TimeoutError
            When `timeout` seconds have passed; the job goes on.
        """
        return job_of(self._session.read(), follow.wait(self._session, name, timeout=timeout))

    def progress(self, name: str) -> Progress:
        """Return the job's counters as they are now."""
        record = self._session.job(name)
        self._session.look_after([record])
        return record.progress

    def result(self, name: str) -> pd.DataFrame:
        """Return the job's rows, with the column names and types that were stored with it; waits for its end.

        Raises
        ------
        JobException
            If the job failed or was canceled.
        """
        record = follow.wait(self._session, name)
        raise_if_failed(self._session, record)
        return read_result(self._session.read(), record)

    def errors(self, name: str) -> pd.DataFrame:
        """Return what failed so far, one row per kind of error, the one with most failed files first."""
        return error_frame(self.error_groups(name))

    def error_groups(self, name: str) -> builtins.list[ErrorGroup]:
        """Return what `errors` is made of."""
        return self._session.error_groups(name)

    def logs(self, name: str, path: str | None = None) -> str:
        """Return the text of a log: the one whose path ends with `path`, else the one to read first."""
        record = self._session.job(name)
        folder = self._session.read().job_dir(record.name) / "logs"
        return read_text(find_log(folder, path, job=record.name))

    def download(
        self,
        name: str,
        *,
        download_path: str | os.PathLike[str] = ".",
        output_name: str | None = None,
        all: bool = False,  # noqa: A002 - Azure's word
    ) -> None:
        """Copy the output to ``<download_path>/named-outputs/score``, or the logs to ``<download_path>/artifacts``.

        Raises
        ------
        JobException
            If the job has not ended.
        """
        record = self._session.job(name)
        download(
            self._session.read(), record, to=Path(download_path), output_name=output_name, everything=all
        )

    def begin_cancel(self, name: str) -> LROPoller[None]:
        """Ask for the job's end; the poller's end is the job's.

        Raises
        ------
        StateError
            If it has ended already.
        """
        ws = self._session.read()
        record = self._session.job(name)
        ws.jobs.request_cancel(record.name)
        if not self._session.job(record.name).status.is_terminal:
            self._session.wake(record.spec.compute)
        return LROPoller(lambda: (self._session.job(record.name).status.is_terminal, None))

    def resume(
        self,
        name: str,
        *,
        redo_failed: bool = False,
        deployment_version: int | str | None = None,
        params_override: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None = None,
    ) -> BatchJob:
        """Run what is left of a job that has ended, as a new numbered run, and return the job.

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
        record = resume(
            self._session,
            name,
            redo_failed=redo_failed,
            version=deployment_version,
            params_override=params_override,
        )
        return job_of(self._session.read(), record)

    def update(
        self,
        name: str,
        *,
        display_name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
    ) -> BatchJob:
        """Change what is written on the job and return it; tags and properties are added to those that it has."""
        record = self._session.job(name)
        self._session.read().jobs.label(
            record.name,
            display_name=display_name,
            description=description,
            tags=tags,
            properties=properties,
        )
        return self.get(record.name)

    def archive(self, name: str) -> None:
        """Leave the job out of lists; whatever it does goes on."""
        self._session.read().jobs.label(self._session.job(name).name, archived=True)

    def restore(self, name: str) -> None:
        """Undo `archive`."""
        self._session.read().jobs.label(self._session.job(name).name, archived=False)

    def show_services(self, name: str, node_index: int = 0) -> dict[str, Any]:  # noqa: ARG002 - Azure's
        """Return where the job can be looked at: its folder."""
        return dict(self.get(name).services)

    def begin_delete(self, name: str) -> LROPoller[None]:
        """Do what `delete` does, with a poller for a result."""
        self.delete(name)
        return finished(None)

    def delete(self, name: str) -> None:
        """Remove the job with its folder, logs and secrets; an output elsewhere stays.

        Raises
        ------
        StateError
            If the job has not ended.
        """
        record = self._session.job(name)
        if not record.status.is_terminal:
            raise StateError(
                f"Job {record.name} is {record.status}; only jobs that have ended can be deleted.",
                target=record.name,
                hint="Cancel it first, and wait for its end.",
            )
        self._session.read().jobs.delete(record.name)
