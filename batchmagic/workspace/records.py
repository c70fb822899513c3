"""Small pieces that the stores share: twins of names, numbers that only rise, times."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from sqlalchemy import func, select
from sqlalchemy.dialects.sqlite import insert

from batchmagic.entities.base import CreationContext, Origin, Resource, stamp
from batchmagic.errors import ResourceExistsError
from batchmagic.workspace.tables import counters

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Table


E = TypeVar("E", bound=Resource)


def now() -> float:
    """Return the time to write into a row."""
    return time.time()


def moment(stored: float | None) -> datetime | None:
    """Return the aware time that a row holds."""
    return None if stored is None else datetime.fromtimestamp(stored, tz=UTC)


def next_number(connection: Connection, kind: str, name: str) -> int:
    """Return the next number of that name, which is then given out for ever."""
    step = insert(counters).values(kind=kind, name=name, last=1)
    step = step.on_conflict_do_update(index_elements=["kind", "name"], set_={"last": counters.c.last + 1})
    return int(connection.execute(step.returning(counters.c.last)).scalar_one())


def raise_number(connection: Connection, kind: str, name: str, number: int) -> None:
    """Make sure that `next_number` gives more than `number` from now on."""
    step = insert(counters).values(kind=kind, name=name, last=number)
    step = step.on_conflict_do_update(
        index_elements=["kind", "name"], set_={"last": func.max(counters.c.last, number)}
    )
    connection.execute(step)


def refuse_twin(
    connection: Connection, table: Table, kind: str, name: str, *also: ColumnElement[bool]
) -> None:
    """Pass when no stored name differs from `name` in letter case only.

    Raises
    ------
    ResourceExistsError
        If one does: on some disks both would have the same folder.
    """
    stored = connection.execute(select(table.c.name).where(table.c.name == name, *also).limit(1)).scalar()
    if stored is not None and stored != name:
        raise ResourceExistsError(
            f"The {kind} name {name!r} differs from the existing {stored!r} only in its letter case.",
            target="name",
            hint=f"Use {stored!r}, or another name.",
        )


def stamped(
    entity: E,
    identifier: str,
    created: float,
    modified: float,
    *,
    scoring_uri: str | None = None,
    openapi_uri: str | None = None,
    authority: str | None = None,
) -> E:
    """Return `entity` with the read-only properties of a stored one; addresses are those of a running server."""
    context = CreationContext(created_at=moment(created), last_modified_at=moment(modified))
    origin = Origin(
        id=identifier,
        provisioning_state="Succeeded",
        creation_context=context,
        scoring_uri=scoring_uri,
        openapi_uri=openapi_uri,
        authority=authority,
    )
    stamp(entity, origin)
    return entity
