"""What the tracker is told of a job when its run begins: where to, under which name, with which parameters."""

from __future__ import annotations

import getpass
import os
import time
from typing import TYPE_CHECKING, Any

import batchmagic
from batchmagic.entities.job_spec import MLFLOW_RUN
from batchmagic.entities.status import JobStatus
from batchmagic.redaction import redact_uris
from batchmagic.workspace.mlflow_runs import access_of, store_of

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.entities.progress import Progress
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

STORES = "mlflow"
"""The folder of a job in which its scoring processes' own stores lie, one folder per claim."""
_JOB, _SUBMITTED = "batchmagic.job", "batchmagic.submitted"


def stores_of(job_folder: Path) -> Path:
    """Return the folder of the stores that a job's scoring processes log to."""
    return job_folder / STORES


def order_of(ws: Workspace, record: JobRecord, epoch: int) -> dict[str, Any] | None:
    """Return the order for the run of a job, JSON values; None if the job has no run. It carries credentials."""
    spec, secrets = record.spec, ws.secrets.get(record.name)
    store = store_of(ws.root, spec, secrets)
    if store is None:
        return None
    submitted = record.created_at.isoformat()
    return {
        "op": "begin",
        "version": batchmagic.__version__,
        "uri": store.tracking_uri,
        "own": str(store.own) if store.own else None,
        "folder": (spec.mlflow_folder if store.own is None else None) or "/",
        "access": access_of(secrets),
        "experiment": spec.experiment,
        "name": record.name,
        "time": milliseconds(),
        "run": record.properties.get(MLFLOW_RUN),
        # An earlier host may have begun one, and not have lived to note it.
        "begun": record.run > 1 or record.status is not JobStatus.QUEUED,
        "job_run": record.run,
        "marks": [_JOB, _SUBMITTED],
        "mark": f"{record.name}-{int(record.created_at.timestamp() * 1e6):x}",
        "tags": _tags(spec) | {_JOB: record.name, _SUBMITTED: submitted},
        "params": _params(spec),
        "stores": str(stores_of(ws.job_dir(record.name))),
        "epoch": epoch,
    }


def points_of(progress: Progress, *, rate: float | None) -> list[list[Any]]:
    """Return the counters of a job as points of metrics: key, value, time, and seconds as the step.

    Parameters
    ----------
    rate
        Mini-batches per second since the last point; None if that would say nothing.
    """
    values = {
        "mini_batches_completed": progress.completed,
        "mini_batches_failed": progress.failed,
        "files_failed": progress.files_failed,
        "rows": progress.rows,
        "rate": rate,
    }
    step = int(progress.seconds)
    return [[key, value, milliseconds(), step] for key, value in values.items() if value is not None]


def milliseconds() -> int:
    """Return the time as MLflow counts it."""
    return int(time.time() * 1000)


def _tags(spec: JobSpec) -> dict[str, str]:
    return {
        "mlflow.source.name": f"{spec.endpoint}/{spec.deployment}",
        "mlflow.source.type": "JOB",
        "mlflow.user": _user(),
        "batchmagic.endpoint": spec.endpoint,
        "batchmagic.deployment": spec.deployment,
        "batchmagic.deployment_version": str(spec.deployment_version),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # a container that knows its user by number only


def _params(spec: JobSpec) -> dict[str, str]:
    settings = spec.settings.to_json() | {
        "output_format": spec.settings.effective_format(),
        "environment_variables": ", ".join(spec.settings.environment_variables),  # names only
    }
    model = f"{spec.model_name}:{spec.model_version}" if spec.model_version else spec.model_name
    others = {
        "input": spec.input_reference,
        "input_type": spec.input_type,
        "model": model,
        "compute": spec.compute,
    }
    named = {**settings, **others}
    return {key: redact_uris(str(value)) for key, value in named.items() if value not in (None, "")}
