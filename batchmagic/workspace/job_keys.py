"""Requests that come again: which job a key stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchmagic.errors import ResourceExistsError
from batchmagic.workspace.tables import jobs

if TYPE_CHECKING:
    from sqlalchemy import Connection, Row


def earlier(connection: Connection, key: str | None, request: str) -> Row[Any] | None:
    """Return the row of the job that was submitted with this key; None if there is none.

    Parameters
    ----------
    request
        A digest of what is asked for.

    Raises
    ------
    ResourceExistsError
        If the key came with another request.
    """
    if key is None:
        return None
    found = connection.execute(select(jobs).where(jobs.c.idempotency_key == key)).one_or_none()
    if found is not None and found.request != request:
        raise ResourceExistsError(
            f"The idempotency key of job {found.name} came again with another request.",
            target="idempotency_key",
            hint="Use a new key for a new request.",
        )
    return found
