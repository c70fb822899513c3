"""The computes of a workspace; `local` is there from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, event, insert, select, update

from batchmagic.entities import AmlCompute
from batchmagic.entities.status import TERMINAL
from batchmagic.errors import ResourceNotFoundError, StateError
from batchmagic.names import check_name
from batchmagic.workspace.records import now, refuse_twin, stamped
from batchmagic.workspace.redaction import redact
from batchmagic.workspace.tables import computes, deployment_versions, deployments, jobs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row, Table

    from batchmagic.workspace.database import Database

LOCAL = "local"


class ComputeStore:
    """Computes by name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, compute: AmlCompute) -> AmlCompute:
        """Make or replace the compute and return it as it is stored."""
        check_name("compute", compute.name)
        body = redact(compute.to_dict())
        with self._database.write() as connection:
            refuse_twin(connection, computes, "compute", compute.name)
            stored = _row(connection, compute.name)
            if stored is None:
                _insert(connection, compute.name, body)
            elif stored.body != body:
                connection.execute(
                    update(computes)
                    .where(computes.c.name == compute.name)
                    .values(body=body, modified_at=now())
                )
        return self.get(compute.name)

    def get(self, name: str) -> AmlCompute:
        """Return the compute.

        Raises
        ------
        ResourceNotFoundError
            If there is none of that name; the nearest is suggested.
        """
        with self._database.read() as connection:
            row = _row(connection, name)
            if row is None:
                known = connection.execute(select(computes.c.name)).scalars().all()
                raise ResourceNotFoundError(kind="compute", name=name, known=known)
        return _entity(row)

    def list(self) -> list[AmlCompute]:
        """Return all computes by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(computes).order_by(computes.c.name)).all()
        return [_entity(row) for row in rows]

    def delete(self, name: str) -> None:
        """Remove the compute.

        Raises
        ------
        StateError
            If it is `local`, has jobs that have not ended, or is what a deployment uses.
        """
        stored = self.get(name).name
        if stored == LOCAL:
            raise StateError("The compute 'local' is always there.", target="compute")
        with self._database.write() as connection:
            _refuse_used(connection, stored)
            connection.execute(delete(computes).where(computes.c.name == stored))


def _refuse_used(connection: Connection, name: str) -> None:
    ended = [status.value for status in TERMINAL]
    busy = connection.execute(
        select(jobs.c.name).where(jobs.c.compute == name, jobs.c.status.not_in(ended)).limit(1)
    ).scalar()
    if busy is not None:
        raise StateError(
            f"The compute {name!r} has job {busy!r}, which has not ended.",
            target="compute",
            hint="Cancel it, or wait.",
        )
    current = select(deployment_versions.c.body, deployments.c.endpoint, deployments.c.name).join_from(
        deployments,
        deployment_versions,
        (deployments.c.endpoint == deployment_versions.c.endpoint)
        & (deployments.c.name == deployment_versions.c.name)
        & (deployments.c.version == deployment_versions.c.version),
    )
    for body, endpoint, deployment in connection.execute(current):
        if str(body.get("compute", "")).removeprefix("azureml:").lower() == name.lower():
            raise StateError(
                f"The deployment {endpoint}/{deployment} uses the compute {name!r}.",
                target="compute",
                hint="Deploy it to another compute first, or delete it.",
            )


def _insert(connection: Connection, name: str, body: dict[str, Any]) -> None:
    time = now()
    connection.execute(insert(computes).values(name=name, body=body, created_at=time, modified_at=time))


def _row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(computes).where(computes.c.name == name)).one_or_none()


def _entity(row: Row[Any]) -> AmlCompute:
    entity = AmlCompute.from_dict(row.body)
    return stamped(entity, f"azureml:{row.name}", row.created_at, row.modified_at)


@event.listens_for(computes, "after_create")
def _add_local(_table: Table, connection: Connection, **_: Any) -> None:
    # In the transaction that makes the tables, so no workspace is ever without it.
    body = {
        "name": LOCAL,
        "type": "amlcompute",
        "min_instances": 0,
        "max_instances": 2,
        "idle_time_before_scale_down": 120,
    }
    _insert(connection, LOCAL, body)
