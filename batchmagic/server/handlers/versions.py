"""Models, data and environments: by name and version."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic import entities
from batchmagic.server.actions import action
from batchmagic.server.base import BatchHandler
from batchmagic.server.handlers.definitions import gone, named
from batchmagic.server.shown import listed, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

_CLASSES = {"model": "Model", "data": "Data", "environment": "Environment"}
_VIEW = (("view", "`ActiveOnly` (unless given), `ArchivedOnly`, or `All`"),)


class Assets(BatchHandler):
    """What lists and items of one kind of asset have in common."""

    @property
    def operations(self) -> Any:
        """The client's operations on this kind."""
        client = self.service.client
        return {"model": client.models, "data": client.data}.get(self.kind, client.environments)

    def put_version(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Register the version that the definition describes, and return it as it is stored."""
        entity = getattr(entities, _CLASSES[self.kind]).from_dict(values)
        stored = self.operations.create_or_update(entity, access=self.service.access(self.caller))
        return shown(stored)

    def stored(self, found: dict[str, Any]) -> None:
        """Answer with what is stored now."""
        self.audit(target=f"{self.kind} {found['name']}:{found['version']}")
        self.answer(found)


class AssetList(Assets):
    """The latest version of each."""

    @action(
        scope="read", summary="List the latest version of every {kind}", answer="List of {kind}", query=_VIEW
    )
    async def get(self) -> None:
        """Return them by name."""
        view = self.get_query_argument("view", None)
        self.answer(listed(await self.service.call(self.operations.list, list_view_type=view)))


class OneAsset(Assets):
    """One name with all its versions."""

    @action(scope="read", summary="Show the latest version of the {kind}", answer="{kind}")
    async def get(self, **names: str) -> None:
        """Return its definition."""
        self.answer(shown(await self.service.call(self.operations.get, names[self.kind])))

    @action(
        scope="manage",
        summary="Register a version of the {kind}: the next one, unless it says which",
        body="{kind}",
        answer="{kind}",
    )
    async def put(self, **names: str) -> None:
        """Register what the body describes."""
        values = named(self.body(), name=names[self.kind])
        self.stored(await self.service.call(self.put_version, values))

    @action(scope="manage", summary="Delete all versions of the {kind}", status=204)
    async def delete(self, **names: str) -> None:
        """Remove them; files stay while a deployment or job uses them."""
        await self.service.call(self.operations.begin_delete, names[self.kind])
        gone(self)


class VersionList(Assets):
    """The versions of one name."""

    @action(scope="read", summary="List the versions of the {kind}", answer="List of {kind}", query=_VIEW)
    async def get(self, **names: str) -> None:
        """Return them, the newest first."""
        view = self.get_query_argument("view", None)
        self.answer(
            listed(await self.service.call(self.operations.list, names[self.kind], list_view_type=view))
        )


class OneVersion(Assets):
    """One version."""

    @action(scope="read", summary="Show a version of the {kind}", answer="{kind}")
    async def get(self, version: str, **names: str) -> None:
        """Return its definition."""
        self.answer(shown(await self.service.call(self.operations.get, names[self.kind], version)))

    @action(scope="manage", summary="Register this version of the {kind}", body="{kind}", answer="{kind}")
    async def put(self, version: str, **names: str) -> None:
        """Register what the body describes."""
        values = named(self.body(), name=names[self.kind], version=version)
        self.stored(await self.service.call(self.put_version, values))

    @action(
        scope="manage",
        summary="Change description, tags or properties of a version",
        body="{kind}",
        answer="{kind}",
    )
    async def patch(self, version: str, **names: str) -> None:
        """Change what the body names; files of a version never change."""
        self.stored(await self.service.call(self._patch, names[self.kind], version, self.body()))

    @action(scope="manage", summary="Delete a version of the {kind}", status=204)
    async def delete(self, version: str, **names: str) -> None:
        """Remove it; files stay while a deployment or job uses them."""
        await self.service.call(self.operations.begin_delete, names[self.kind], version)
        gone(self)

    def _patch(self, name: str, version: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        from batchmagic.entities.overrides import overridden  # noqa: PLC0415 - brings Pydantic

        before = self.operations.get(name, version).to_dict()
        return self.put_version(named(overridden(before, [changes]), name=name, version=version))


class Archive(Assets):
    """Leaves a version out of lists."""

    @action(scope="manage", summary="Leave a version of the {kind} out of lists", answer="{kind}")
    async def post(self, version: str, **names: str) -> None:
        """Archive it."""
        await self.service.call(self.operations.archive, names[self.kind], version)
        self.stored(shown(await self.service.call(self.operations.get, names[self.kind], version)))


class Restore(Assets):
    """Brings a version back into lists."""

    @action(scope="manage", summary="Bring a version of the {kind} back into lists", answer="{kind}")
    async def post(self, version: str, **names: str) -> None:
        """Restore it."""
        await self.service.call(self.operations.restore, names[self.kind], version)
        self.stored(shown(await self.service.call(self.operations.get, names[self.kind], version)))
