"""What people write on a job, before or after it ran: it changes nothing of what the job does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import update

from batchmagic.workspace.records import next_number
from batchmagic.workspace.redaction import redact
from batchmagic.workspace.tables import jobs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Row

COUNTER = "labels"
"""The kind of the number that says how often anything was written on any job, for those who wait for news of it."""
_MAPPINGS = ("tags", "properties")


def relabel(connection: Connection, job: Row[Any], changes: Mapping[str, Any]) -> None:
    """Change, in the caller's transaction, what is written on the job of this row.

    Parameters
    ----------
    changes
        ``display_name``, ``description``, ``tags``, ``properties`` and ``archived``; what is None or not there
        stays. Tags and properties are added to those that are there, as in Azure.
    """
    given = {key: value for key, value in changes.items() if value is not None}
    values: dict[str, Any] = {key: given.pop(key) for key in ("display_name", "archived") if key in given}
    if given:
        labels = dict(job.labels or {})
        for key in _MAPPINGS:
            if key in given:
                given[key] = {**labels.get(key, {}), **given[key]}
        values["labels"] = redact({**labels, **given})
    if values:
        next_number(connection, COUNTER, "")
        connection.execute(update(jobs).where(jobs.c.seq == job.seq).values(**values))
