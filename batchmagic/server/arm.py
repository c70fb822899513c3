"""Answers in the form of Azure's service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchmagic.errors import BatchMagicError
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord


def error_json(error: BatchMagicError, *, request_id: str, root: Path) -> dict[str, Any]:
    """Return what an answer says of an error; nothing of this machine's folders is in it."""
    message = str(error).replace(str(root), "the workspace")
    found: dict[str, Any] = {"code": error.code, "message": message, "target": error.target, "details": []}
    return {"error": {**found, "requestId": request_id}}


def job_json(ws: Workspace, record: JobRecord) -> dict[str, Any]:
    """Return a job; the last part of its ``id`` is its name."""
    del ws
    where = f"/batchmagic/endpoints/{record.spec.endpoint}/jobs/{record.name}"
    return {"id": where, "name": record.name, "properties": {"status": str(record.status)}}


def job_list_json(jobs: Sequence[dict[str, Any]], *, next_link: str | None) -> dict[str, Any]:
    """Return one page of a list."""
    return {"value": list(jobs), "nextLink": next_link}
