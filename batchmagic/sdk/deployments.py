"""``ml_client.batch_deployments``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities import BatchDeployment, BatchJob, Listing
from batchmagic.errors import ResourceNotFoundError
from batchmagic.sdk.deploy import prepare, store
from batchmagic.sdk.given import entity_of
from batchmagic.sdk.job_view import job_of
from batchmagic.sdk.pollers import LROPoller, finished

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.entities.job_spec import Interpreter
    from batchmagic.sdk.access import Access
    from batchmagic.sdk.session import Session


class BatchDeploymentOperations:
    """Deployments by name and endpoint."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin_create_or_update(
        self,
        deployment: BatchDeployment,
        *,
        skip_script_validation: bool = False,
        interpreter: Interpreter | None = None,
        access: Access | None = None,
    ) -> LROPoller[BatchDeployment]:
        """Check, snapshot and store the deployment; the poller's result is the deployment as it is stored.

        Its scoring processes will start from the Python that calls this, whatever Python a host runs on.

        Parameters
        ----------
        skip_script_validation
            Deploy the script unread.
        interpreter
            Another Python in the place of the calling one.
        access
            The limits of the caller; None: there are none.

        Raises
        ------
        UsageError
            Of the kind that fits; then nothing was written.
        """
        entity = entity_of(BatchDeployment, deployment)
        prepared = prepare(
            self._session.peek(), entity, skip_script_validation=skip_script_validation, access=access
        )
        stored = store(self._session.write(), prepared, interpreter=interpreter, access=access)
        return finished(stored.entity)

    def get(self, name: str, endpoint_name: str) -> BatchDeployment:
        """Return the current version of the deployment.

        Raises
        ------
        ResourceNotFoundError
            If there is no such endpoint or deployment.
        """
        return self._session.read().deployments.get(endpoint_name, name).entity

    def list(self, endpoint_name: str) -> Listing[BatchDeployment]:
        """Return the deployments of the endpoint by name."""
        found = [record.entity for record in self._session.read().deployments.list(endpoint_name)]
        return Listing(found, kind="deployment", nothing=f"No deployments of {endpoint_name} yet.")

    def begin_delete(self, name: str, endpoint_name: str) -> LROPoller[None]:
        """Remove all versions of the deployment; its jobs stay."""
        self._session.read().deployments.delete(endpoint_name, name)
        return finished(None)

    def list_jobs(self, endpoint_name: str, *, name: str | None = None) -> Listing[BatchJob]:
        """Return the jobs of the endpoint, or of one of its deployments, newest first."""
        ws = self._session.read()
        endpoint = ws.endpoints.get(endpoint_name).name
        if name is not None:
            name = _stored_name(self._session, endpoint, name)
        records = ws.jobs.list(endpoint=endpoint, deployment=name)
        self._session.look_after(records)
        jobs = [job_of(ws, record) for record in records]
        return Listing(jobs, kind="job", nothing=f"No jobs of {endpoint} yet.")


def changed(entity: BatchDeployment, changes: Mapping[str, Any]) -> BatchDeployment:
    """Return a stored deployment with other values, by dotted keys too; nothing is written.

    It stays the stored one, so that unchanged code is not read again from where it once was.
    """
    from batchmagic.entities import origin_of, stamp  # noqa: PLC0415
    from batchmagic.entities.overrides import overridden  # noqa: PLC0415

    found = BatchDeployment.from_dict(overridden(entity.to_dict(reveal=True), [changes]))
    stamp(found, origin_of(entity))
    return found


def _stored_name(session: Session, endpoint: str, name: str) -> str:
    ws = session.read()
    try:
        return ws.deployments.get(endpoint, name).name
    except ResourceNotFoundError:
        # A deployment may be gone while its jobs are there.
        if ws.jobs.list(endpoint=endpoint, deployment=name):
            return name
        raise
