"""The document of a job, from which every view of it is drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from batchmagic.entities.documents import error_values, job_steps
from batchmagic.errors import UsageError
from batchmagic.redaction import redact_uris
from batchmagic.sdk import failure
from batchmagic.sdk.error_report import error_item
from batchmagic.sdk.results import output_file, output_folder
from batchmagic.words import short_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchmagic.sdk.pace import Pace
    from batchmagic.sdk.session import Session
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger_errors import ErrorGroup

_ERRORS, _RATES = 5, 60
_LONGEST = 240


def job_document(
    ws: Workspace,
    record: JobRecord,
    *,
    groups: Sequence[ErrorGroup] = (),
    pace: Pace | None = None,
    rates: Sequence[float] = (),
    session: Session | None = None,
) -> dict[str, Any]:
    """Return the job as a small dictionary of JSON values, without secrets and tracebacks.

    Parameters
    ----------
    groups
        Its errors, the one with most failed files first.
    pace
        While it runs.
    rates
        Mini-batches per second of late, the oldest first.
    session
        Whose command the next steps begin with; None: that of a notebook.
    """
    spec, status = record.spec, record.status
    name = _short_name(ws, record.name)
    steps = job_steps(
        status,
        record.status_detail,
        failed=record.progress.failed > 0,
        name=name,
        errors=bool(groups),
        keeps_rows=output_file(ws, record) is not None,
        command="%batch" if session is None else session.command,
    )
    return {
        "kind": "job",
        "name": record.name,
        "status": str(status),
        "status_detail": _text(record.status_detail),
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "deployment_version": spec.deployment_version,
        "run": record.run,
        "compute": spec.compute,
        "input": _text(short_path(spec.input_reference)),
        "output": short_path(str(output_file(ws, record) or output_folder(ws, record))),
        "output_action": str(spec.settings.output_action),
        "experiment_name": spec.experiment_name,
        "progress": record.progress.to_json(),
        "pace": None if pace is None else {"now": pace.now, "mean": pace.mean, "left": pace.left},
        "rates": [round(rate, 3) for rate in rates[-_RATES:]],
        "error": _error(record),
        "errors": [_item(group) for group in groups[:_ERRORS]],
        "error_kinds": len(groups),
        "created_at": record.created_at.isoformat(),
        "started_at": record.started_at.isoformat() if record.started_at else None,
        "seen_at": None if status.is_terminal else datetime.now(UTC).isoformat(timespec="seconds"),
        "ended_at": record.ended_at.isoformat() if record.ended_at and status.is_terminal else None,
        "short_name": name,
        "next": steps,
    }


def _error(record: JobRecord) -> dict[str, Any] | None:
    found = error_values(record.error or {})
    return found and {key: _text(value) for key, value in found.items()}


def _item(group: ErrorGroup) -> dict[str, Any]:
    item = error_item(group)
    item["message"] = _text(item["message"])
    item["file"] = _text(short_path(item["file"]))
    if item["frame"]:
        source = _text((item["frame"]["source"] or "").strip())
        item["frame"] = {**item["frame"], "file": short_path(item["frame"]["file"]), "source": source}
    return item


def _text(value: Any) -> str:
    return redact_uris(str(value))[:_LONGEST]


def _short_name(ws: Workspace, name: str) -> str:
    """Return the beginning of the job's name that is pleasant to type, if it fits no other job."""
    short = failure.short_name(name)
    if short == name:
        return name
    try:
        return short if ws.jobs.get(short).name == name else name
    except UsageError:
        return name
