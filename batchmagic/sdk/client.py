"""`MLClient`: the one door to a workspace, in the shape of ``azure.ai.ml.MLClient``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Self

from batchmagic.errors import ValidationException
from batchmagic.sdk.refusals import Refusing
from batchmagic.sdk.session import Session

if TYPE_CHECKING:
    from batchmagic.sdk.assets import DataOperations, EnvironmentOperations, ModelOperations
    from batchmagic.sdk.compute import ComputeOperations
    from batchmagic.sdk.deployments import BatchDeploymentOperations
    from batchmagic.sdk.endpoints import BatchEndpointOperations
    from batchmagic.sdk.jobs import JobOperations
    from batchmagic.sdk.pollers import LROPoller
    from batchmagic.sdk.workspaces import DatastoreOperations, WorkspaceOperations


class MLClient(Refusing):
    """A client of one workspace.

    Nothing is opened before the first operation, and nothing is made before the first one that writes.

    Parameters
    ----------
    credential
        The path of a workspace; or Azure's credential, which is a label like the next three.
        Without it, the workspace is the one that ``BATCHMAGIC_WORKSPACE`` names, else the nearest
        ``.batchmagic`` at or above the working directory.
    subscription_id, resource_group_name, workspace_name
        Labels.
    """

    def __init__(
        self,
        credential: Any = None,
        subscription_id: str | None = None,
        resource_group_name: str | None = None,
        workspace_name: str | None = None,
        **labels: Any,
    ) -> None:
        is_path = isinstance(credential, str | os.PathLike)
        self.session = Session(credential if is_path else None)
        self.subscription_id = subscription_id
        self.resource_group_name = resource_group_name
        self._workspace_name = workspace_name
        self._labels = labels

    @classmethod
    def from_config(
        cls,
        credential: Any = None,
        *,
        path: str | os.PathLike[str] | None = None,  # noqa: ARG003 - Azure's; there need be no config.json
        file_name: str | None = None,  # noqa: ARG003
        **labels: Any,
    ) -> Self:
        """Return the client of the nearest workspace; all arguments are labels."""
        return cls(None if isinstance(credential, str | os.PathLike) else credential, **labels)

    @property
    def workspace_name(self) -> str | None:
        """The name that was given, else that of the folder the workspace is in."""
        ws = self.session.peek()
        return self._workspace_name or (ws.root.parent.name if ws else None)

    @property
    def batch_endpoints(self) -> BatchEndpointOperations:
        """Operations on endpoints, and `invoke`."""
        from batchmagic.sdk.endpoints import BatchEndpointOperations  # noqa: PLC0415 - loaded when used, like the next

        return BatchEndpointOperations(self.session)

    @property
    def batch_deployments(self) -> BatchDeploymentOperations:
        """Operations on deployments."""
        from batchmagic.sdk.deployments import BatchDeploymentOperations  # noqa: PLC0415

        return BatchDeploymentOperations(self.session)

    @property
    def jobs(self) -> JobOperations:
        """Operations on jobs."""
        from batchmagic.sdk.jobs import JobOperations  # noqa: PLC0415

        return JobOperations(self.session)

    @property
    def models(self) -> ModelOperations:
        """Operations on models."""
        from batchmagic.sdk.assets import ModelOperations  # noqa: PLC0415

        return ModelOperations(self.session)

    @property
    def data(self) -> DataOperations:
        """Operations on data."""
        from batchmagic.sdk.assets import DataOperations  # noqa: PLC0415

        return DataOperations(self.session)

    @property
    def environments(self) -> EnvironmentOperations:
        """Operations on environments."""
        from batchmagic.sdk.assets import EnvironmentOperations  # noqa: PLC0415

        return EnvironmentOperations(self.session)

    @property
    def compute(self) -> ComputeOperations:
        """Operations on computes."""
        from batchmagic.sdk.compute import ComputeOperations  # noqa: PLC0415

        return ComputeOperations(self.session)

    @property
    def datastores(self) -> DatastoreOperations:
        """The workspace's own datastore."""
        from batchmagic.sdk.workspaces import DatastoreOperations  # noqa: PLC0415

        return DatastoreOperations(self.session)

    @property
    def workspaces(self) -> WorkspaceOperations:
        """The workspace itself."""
        from batchmagic.sdk.workspaces import WorkspaceOperations  # noqa: PLC0415

        return WorkspaceOperations(self.session, self._workspace_name, self.resource_group_name)

    def begin_create_or_update(self, entity: Any, **options: Any) -> LROPoller[Any]:
        """Store an endpoint, deployment or compute (or any other entity); the poller's result is what is stored."""
        from batchmagic.sdk.pollers import finished  # noqa: PLC0415

        operations = self._operations(entity)
        if hasattr(operations, "begin_create_or_update"):
            poller: LROPoller[Any] = operations.begin_create_or_update(entity, **options)
            return poller
        return finished(operations.create_or_update(entity, **options))

    def create_or_update(self, entity: Any, **options: Any) -> Any:
        """Store a model, data or environment (or any other entity) and return it as it is stored."""
        return self.begin_create_or_update(entity, **options).result()

    def _operations(self, entity: Any) -> Any:
        # By the class's name, so that Azure's own objects find the way too.
        homes = {
            "BatchEndpoint": "batch_endpoints",
            "BatchDeployment": "batch_deployments",
            "ModelBatchDeployment": "batch_deployments",
            "AmlCompute": "compute",
            "Model": "models",
            "Data": "data",
            "Environment": "environments",
            "BatchJob": "jobs",
        }
        for kind in type(entity).__mro__:
            if kind.__name__ in homes:
                return getattr(self, homes[kind.__name__])
        raise ValidationException(
            field="entity",
            value=entity,
            reason="is none of the entities that a workspace keeps",
            hint=f"Known: {', '.join(homes)}.",
        )

    def __repr__(self) -> str:
        ws = self.session.peek()
        return f"MLClient({str(ws.root) if ws else 'no workspace yet'})"
