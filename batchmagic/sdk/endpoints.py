"""``ml_client.batch_endpoints``."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmagic.entities import BatchEndpoint, BatchJob, Listing
from batchmagic.sdk.given import entity_of
from batchmagic.sdk.invoke import prepare, submit
from batchmagic.sdk.job_view import job_of
from batchmagic.sdk.pollers import LROPoller, finished

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

    from batchmagic.sdk.access import Access
    from batchmagic.sdk.export import Exported
    from batchmagic.sdk.session import Session


class BatchEndpointOperations:
    """Endpoints by name."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin_create_or_update(self, endpoint: BatchEndpoint) -> LROPoller[BatchEndpoint]:
        """Store the endpoint; the poller's result is the endpoint as it is stored."""
        entity = entity_of(BatchEndpoint, endpoint)
        return finished(self._session.write().endpoints.put(entity))

    def get(self, name: str) -> BatchEndpoint:
        """Return the endpoint.

        Raises
        ------
        ResourceNotFoundError
            If there is none of that name.
        """
        return self._session.read().endpoints.get(name)

    def list(self) -> Listing[BatchEndpoint]:
        """Return all endpoints by name."""
        ws = self._session.peek()
        return Listing(ws.endpoints.list() if ws else [], kind="endpoint", nothing="No endpoints yet.")

    def begin_delete(self, name: str) -> LROPoller[None]:
        """Remove the endpoint and its deployments; its jobs stay."""
        self._session.read().endpoints.delete(name)
        return finished(None)

    def invoke(
        self,
        endpoint_name: str,
        *,
        deployment_name: str | None = None,
        input: Any = None,  # noqa: A002 - Azure's word
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        params_override: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None = None,
        job_name: str | None = None,
        experiment_name: str | None = None,
        recursive: bool = False,
        overwrite: bool = False,
        display_name: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        properties: Mapping[str, str] | None = None,
        access: Access | None = None,
        idempotency_key: str | None = None,
        request: str | None = None,
        most_queued: int | None = None,
    ) -> BatchJob:
        """Start scoring the input and return the job, which runs whatever becomes of this process.

        Parameters
        ----------
        deployment_name
            None: the default one, or the only one if no default is set.
        input, inputs
            An `Input`, or a dictionary with one; its key means nothing.
        outputs
            A dictionary with one `Output`: a folder, or the file itself.
        params_override
            Settings for this job only, by Azure's dotted keys; values may be text.
        recursive
            Whether files of nested folders are scored too.
        overwrite
            Whether an output that exists is replaced.
        display_name, description, tags
            What is written on the job; `JobOperations.update` changes it.
        properties
            Labels of the job, over those that `params_override` has.
        access
            What may be named; None: everything.
        idempotency_key, request, most_queued
            See `batchmagic.workspace.jobs.JobStore.submit`.

        Raises
        ------
        UsageError
            Of the kind that fits; then nothing was written.
        """
        ws = self._session.read()
        prepared = prepare(
            ws,
            endpoint_name,
            deployment_name=deployment_name,
            input=input,
            inputs=inputs,
            outputs=outputs,
            params_override=params_override,
            job_name=job_name,
            experiment_name=experiment_name,
            recursive=recursive,
            overwrite=overwrite,
            command=self._session.command,
            access=access,
        )
        if properties:
            attached = {**prepared.spec.properties, **properties}
            prepared = replace(prepared, spec=replace(prepared.spec, properties=attached))
        labels = {"display_name": display_name, "description": description, "tags": tags or None}
        record = submit(
            ws,
            prepared,
            labels=labels,
            idempotency_key=idempotency_key,
            request=request,
            most_queued=most_queued,
        )
        return job_of(ws, record)

    def export(
        self,
        name: str,
        folder: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        model_files: bool = True,
    ) -> Exported:
        """Write the endpoint with all that it needs into a folder, for Azure; see `batchmagic.sdk.export.export`."""
        from batchmagic.sdk.export import export  # noqa: PLC0415 - nothing else needs it

        return export(self._session.read(), name, folder, overwrite=overwrite, model_files=model_files)

    def list_jobs(self, endpoint_name: str) -> Listing[BatchJob]:
        """Return the jobs of the endpoint, newest first."""
        ws = self._session.read()
        name = ws.endpoints.get(endpoint_name).name
        records = ws.jobs.list(endpoint=name)
        self._session.look_after(records)
        jobs = [job_of(ws, record) for record in records]
        return Listing(jobs, kind="job", nothing=f"No jobs of {name} yet.")
