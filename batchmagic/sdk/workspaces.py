"""``ml_client.workspaces`` and ``ml_client.datastores``: Azure's words for the folder everything is kept in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.sdk.places import Datastore, datastore
from batchmagic.sdk.refusals import Refusing
from batchmagic.workspace.datastores import DEFAULT_STORE

if TYPE_CHECKING:
    from batchmagic.sdk.session import Session


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkspaceInfo:
    """The workspace: a label for a name, and the folder."""

    name: str
    location: str
    resource_group: str | None = None
    id: str = ""


class WorkspaceOperations(Refusing):
    """The one workspace of the client."""

    def __init__(self, session: Session, name: str | None = None, resource_group: str | None = None) -> None:
        self._session = session
        self._name = name
        self._resource_group = resource_group

    def get(self, name: str | None = None) -> WorkspaceInfo:
        """Return the workspace; `name` is a label."""
        root = self._session.read().root
        return WorkspaceInfo(
            name=name or self._name or root.parent.name,
            location=str(root),
            resource_group=self._resource_group,
            id=str(root),
        )

    def list(self, *, scope: str | None = None, filtered_kinds: Any = None) -> list[WorkspaceInfo]:  # noqa: ARG002
        """Return the workspace, if there is one; the arguments are labels."""
        return [self.get()] if self._session.peek() else []


class DatastoreOperations(Refusing):
    """The workspace's own datastore, under the name that Azure gives its default one."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_default(self, *, include_secrets: bool = False) -> Datastore:  # noqa: ARG002 - it has none
        """Return the default datastore."""
        return self.get(DEFAULT_STORE)

    def get(self, name: str, *, include_secrets: bool = False) -> Datastore:  # noqa: ARG002
        """Return the datastore.

        Raises
        ------
        ResourceNotFoundError
            If it is not the workspace's own.
        """
        return datastore(self._session.read(), name)

    def list(self, *, include_secrets: bool = False) -> list[Datastore]:  # noqa: ARG002
        """Return the datastores."""
        return [self.get_default()] if self._session.peek() else []
