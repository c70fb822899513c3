"""The endpoints of a workspace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from batchmagic.entities import BatchEndpoint
from batchmagic.errors import ResourceNotFoundError
from batchmagic.names import check_name
from batchmagic.workspace.records import now, refuse_twin, stamped
from batchmagic.workspace.redaction import redact
from batchmagic.workspace.tables import deployment_versions, deployments, endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sqlalchemy import Connection, Row

    from batchmagic.workspace.database import Database
    from batchmagic.workspace.servers import ServerRecord, ServerStore


class EndpointStore:
    """Endpoints by name, with the address that they have while one of `servers` runs.

    `forget` removes the secrets of the given keys and files that nothing uses any more.
    """

    def __init__(
        self, database: Database, servers: ServerStore, *, forget: Callable[[Iterable[str]], None]
    ) -> None:
        self._database = database
        self._servers = servers
        self._forget = forget

    def put(self, endpoint: BatchEndpoint) -> BatchEndpoint:
        """Make or replace the endpoint and return it as it is stored.

        Raises
        ------
        ResourceNotFoundError
            If an existing endpoint is given a default deployment that it has not. A new endpoint may
            name the one that is going to be made.
        """
        check_name("endpoint", endpoint.name)
        body = redact(endpoint.to_dict())
        with self._database.write() as connection:
            refuse_twin(connection, endpoints, "endpoint", endpoint.name)
            stored = _row(connection, endpoint.name)
            if stored is None:
                time = now()
                connection.execute(
                    insert(endpoints).values(name=endpoint.name, body=body, created_at=time, modified_at=time)
                )
            elif stored.body != body:
                _check_default(connection, endpoint)
                connection.execute(
                    update(endpoints)
                    .where(endpoints.c.name == endpoint.name)
                    .values(body=body, modified_at=now())
                )
        return self.get(endpoint.name)

    def get(self, name: str) -> BatchEndpoint:
        """Return the endpoint.

        Raises
        ------
        ResourceNotFoundError
            If there is none of that name; the nearest is suggested.
        """
        with self._database.read() as connection:
            row = _row(connection, name)
            if row is None:
                known = connection.execute(select(endpoints.c.name)).scalars().all()
                raise ResourceNotFoundError(kind="endpoint", name=name, known=known)
        return _entity(row, self._servers.best())

    def list(self) -> list[BatchEndpoint]:
        """Return all endpoints by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(endpoints).order_by(endpoints.c.name)).all()
        server = self._servers.best() if rows else None
        return [_entity(row, server) for row in rows]

    def delete(self, name: str) -> None:
        """Remove the endpoint, its deployments and their secrets; its jobs stay, with the files that they use."""
        stored = self.get(name).name
        with self._database.write() as connection:
            keys = secret_keys(connection, stored)
            connection.execute(delete(endpoints).where(endpoints.c.name == stored))  # deployments go with it
        self._forget(keys)


def secret_keys(connection: Connection, endpoint: str, deployment: str | None = None) -> list[str]:
    """Return the keys of the secrets of all versions of one or every deployment of an endpoint."""
    versions = select(deployment_versions).where(deployment_versions.c.endpoint == endpoint)
    if deployment is not None:
        versions = versions.where(deployment_versions.c.name == deployment)
    return [secret_key(row.endpoint, row.name, row.version) for row in connection.execute(versions)]


def secret_key(endpoint: str, deployment: str, version: int) -> str:
    """Return the key under which the variables of a deployment version are kept."""
    return f"deployment.{endpoint}.{deployment}.{version}"


def clear_default(connection: Connection, endpoint: str, deployment: str) -> None:
    """Leave the endpoint without a default if that was `deployment`."""
    row = _row(connection, endpoint)
    if row is None or str(_default(row.body)).lower() != deployment.lower():
        return
    body = {key: value for key, value in row.body.items() if key != "defaults"}
    connection.execute(
        update(endpoints).where(endpoints.c.name == endpoint).values(body=body, modified_at=now())
    )


def _check_default(connection: Connection, endpoint: BatchEndpoint) -> None:
    wanted = _default(endpoint.to_dict())
    if wanted is None:
        return
    known = (
        connection.execute(select(deployments.c.name).where(deployments.c.endpoint == endpoint.name))
        .scalars()
        .all()
    )
    if str(wanted).lower() not in [name.lower() for name in known]:
        raise ResourceNotFoundError(kind=f"deployment of {endpoint.name}", name=wanted, known=known)


def _default(body: dict[str, Any]) -> Any:
    return (body.get("defaults") or {}).get("deployment_name")


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(endpoints).where(endpoints.c.name == name)).one_or_none()


def _entity(row: Row[Any], server: ServerRecord | None) -> BatchEndpoint:
    entity = BatchEndpoint.from_dict(row.body)
    return stamped(
        entity,
        f"azureml:endpoints/{row.name}",
        row.created_at,
        row.modified_at,
        scoring_uri=None if server is None else server.scoring_uri(row.name),
        openapi_uri=None if server is None else server.openapi_uri,
        authority=None if server is None else server.authority,
    )
