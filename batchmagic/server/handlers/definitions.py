"""Endpoints, deployments and computes."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from batchmagic import entities
from batchmagic.errors import ValidationException
from batchmagic.server.actions import action
from batchmagic.server.base import BatchHandler
from batchmagic.server.shown import listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.entities import BatchDeployment, Resource

_CLASSES = {"endpoint": "BatchEndpoint", "compute": "AmlCompute"}


class Definitions(BatchHandler):
    """What lists and items of one kind have in common."""

    @property
    def operations(self) -> Any:
        """The client's operations on this kind."""
        client = self.service.client
        return client.batch_endpoints if self.kind == "endpoint" else client.compute


class DefinitionList(Definitions):
    """All of one kind."""

    @action(scope="read", summary="List all {kind}s", answer="List of {kind}", any_endpoint=True)
    async def get(self) -> None:
        """Return them by name; credentials of one endpoint see that one only."""
        bound = self.caller.endpoint
        if bound is not None and self.kind != "endpoint":
            self.caller.check_endpoint(None)
        found = await self.service.call(self.operations.list)
        self.answer(listed(item for item in found if bound is None or item.name == bound))


class OneDefinition(Definitions):
    """One endpoint or compute."""

    @action(scope="read", summary="Show the {kind}", answer="{kind}")
    async def get(self, **names: str) -> None:
        """Return its definition and what the workspace knows of it."""
        self.answer(shown(await self.service.call(self.operations.get, names[self.kind])))

    @action(
        scope="manage", summary="Create the {kind}, or replace its definition", body="{kind}", answer="{kind}"
    )
    async def put(self, **names: str) -> None:
        """Store the definition of the body."""
        values = named(self.body(), name=names[self.kind])
        self._store(await self.service.call(self._put, values))

    @action(scope="manage", summary="Change the fields that are given", body="{kind}", answer="{kind}")
    async def patch(self, **names: str) -> None:
        """Change what the body names, by dotted keys too."""
        self._store(await self.service.call(self._patch, names[self.kind], self.body()))

    @action(scope="manage", summary="Delete the {kind}", status=204)
    async def delete(self, **names: str) -> None:
        """Remove it, as ``begin_delete`` does."""
        await self.service.call(self.operations.begin_delete, names[self.kind])
        gone(self)

    def _put(self, values: Mapping[str, Any]) -> Resource:
        entity = getattr(entities, _CLASSES[self.kind]).from_dict(values)
        stored: Resource = self.operations.begin_create_or_update(entity).result()
        return stored

    def _patch(self, name: str, changes: Mapping[str, Any]) -> Resource:
        from batchmagic.entities.overrides import overridden  # noqa: PLC0415 - brings Pydantic

        before = self.operations.get(name)
        return self._put(named(overridden(before.to_dict(), [changes]), name=before.name))

    def _store(self, entity: Resource) -> None:
        self.audit(target=f"{self.kind} {getattr(entity, 'name', '')}")
        self.answer(shown(entity))


class AllDeployments(BatchHandler):
    """The deployments of all endpoints."""

    @action(
        scope="read",
        summary="List all deployments of all endpoints",
        answer="List of deployment",
        any_endpoint=True,
    )
    async def get(self) -> None:
        """Return them by endpoint and name; credentials of one endpoint see its own only."""
        self.answer(listed(await self.service.call(self._all)))

    def _all(self) -> list[BatchDeployment]:
        client, bound = self.service.client, self.caller.endpoint
        names = [endpoint.name for endpoint in client.batch_endpoints.list()]
        kept = [name for name in names if bound in {None, name}]
        return [deployment for name in kept for deployment in client.batch_deployments.list(name)]


class DeploymentList(BatchHandler):
    """The deployments of an endpoint."""

    @action(scope="read", summary="List the deployments of the endpoint", answer="List of deployment")
    async def get(self, endpoint: str) -> None:
        """Return them by name."""
        found = await self.service.call(self._list, endpoint)
        self.answer(listed(found))

    def _list(self, endpoint: str) -> list[BatchDeployment]:
        name = self.service.client.batch_endpoints.get(endpoint).name
        return list(self.service.client.batch_deployments.list(name))


class OneDeployment(BatchHandler):
    """One deployment."""

    @action(scope="read", summary="Show the deployment", answer="deployment")
    async def get(self, endpoint: str, deployment: str) -> None:
        """Return its definition; variables without their values."""
        found = await self.service.call(self.service.client.batch_deployments.get, deployment, endpoint)
        self.answer(shown(found))

    @action(
        scope="manage",
        summary="Create the deployment, or a new version of it",
        body="deployment",
        answer="deployment",
    )
    async def put(self, endpoint: str, deployment: str) -> None:
        """Check it, take snapshots of model and code, and store it."""
        values = named(self.body(), name=deployment, endpoint_name=endpoint)
        self._store(await self.service.call(self._put, values))

    @action(
        scope="manage", summary="Change the fields that are given", body="deployment", answer="deployment"
    )
    async def patch(self, endpoint: str, deployment: str) -> None:
        """Store a new version with what the body names changed."""
        self._store(await self.service.call(self._patch, endpoint, deployment, self.body()))

    @action(scope="manage", summary="Delete all versions of the deployment", status=204)
    async def delete(self, endpoint: str, deployment: str) -> None:
        """Remove it; its jobs stay."""
        await self.service.call(self.service.client.batch_deployments.begin_delete, deployment, endpoint)
        gone(self)

    def _put(self, values: Mapping[str, Any]) -> BatchDeployment:
        entity = entities.BatchDeployment.from_dict(values)
        operations = self.service.client.batch_deployments
        return operations.begin_create_or_update(entity, access=self.service.access(self.caller)).result()

    def _patch(self, endpoint: str, deployment: str, changes: Mapping[str, Any]) -> BatchDeployment:
        from batchmagic.sdk.deployments import changed  # noqa: PLC0415

        operations = self.service.client.batch_deployments
        entity = changed(operations.get(deployment, endpoint), changes)
        return operations.begin_create_or_update(entity, access=self.service.access(self.caller)).result()

    def _store(self, entity: BatchDeployment) -> None:
        self.audit(target=f"deployment {entity.endpoint_name}/{entity.name}")
        self.answer(shown(entity))


def named(values: Mapping[str, Any], **names: str) -> dict[str, Any]:
    """Return the definition with the names of its address.

    Raises
    ------
    ValidationException
        If it says other ones.
    """
    for field, name in names.items():
        said = values.get(field)
        if said is not None and str(said).lower() != name.lower():
            raise ValidationException(
                field=field, value=said, reason=f"is not the {name!r} of the address", hint="Leave it out."
            )
    return {**values, **names}


def gone(handler: BatchHandler) -> None:
    """Answer that it is no more."""
    handler.set_status(HTTPStatus.NO_CONTENT)
    handler.finish()
