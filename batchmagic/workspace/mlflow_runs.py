"""Which MLflow store a job's run goes to, and what it takes to get in there."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.redaction import redact_uris
from batchmagic.workspace.mlflow_stores import MlflowStore, known_stores, local_path, own_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.entities.job_spec import JobSpec

SWITCH = "BATCHMAGIC_MLFLOW_RUNS"
"""With ``off`` in this variable of whoever invokes, a job has no MLflow run."""
OWN = "workspace"
"""What a job's specification calls the store that moves along with the workspace."""

# Beside the values of environment variables, whose names have no dot.
_PREFIX = "batchmagic.mlflow."
_ADDRESS = f"{_PREFIX}uri"
_ACCESS = ("MLFLOW_TRACKING_", "MLFLOW_S3_", "DATABRICKS_")
_ADDRESSES = frozenset({"MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_DIR"})


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenStore:
    """The store of a job's run, as it is frozen with the job.

    Attributes
    ----------
    uri
        `OWN`, or the address without credentials.
    folder
        The caller's working directory, below which MLflow keeps artifacts if the store names no place.
    secrets
        The credentials; they belong into the job's secrets.
    """

    uri: str
    folder: str
    secrets: dict[str, str] = field(default_factory=dict)


def choose_store(root: Path) -> ChosenStore | None:
    """Return the store for the runs of jobs that are invoked here and now; None if they shall have none."""
    if os.environ.get(SWITCH, "").lower() == "off":
        return None
    store = known_stores(root)[0]
    folder = str(Path.cwd())
    if store.own is not None:
        return ChosenStore(uri=OWN, folder=folder)
    uri = _from_anywhere(store)
    shown = redact_uris(uri)
    hidden = {_ADDRESS: uri} if shown != uri else {}
    if store.is_remote:
        given = {name: value for name, value in os.environ.items() if name.startswith(_ACCESS)}
        hidden |= {_PREFIX + name: value for name, value in given.items() if name not in _ADDRESSES}
    return ChosenStore(uri=shown, folder=folder, secrets=hidden)


def store_of(root: Path, spec: JobSpec, secrets: Mapping[str, str]) -> MlflowStore | None:
    """Return the store of a job's run; None if it has none. `secrets` are the job's."""
    if spec.mlflow_store is None:
        return None
    if spec.mlflow_store == OWN:
        return own_store(root)
    uri = secrets.get(_ADDRESS, spec.mlflow_store)
    return MlflowStore(tracking_uri=uri, registry_uri=uri)


def access_of(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the variables by which MLflow gets into the store."""
    kept = {name.removeprefix(_PREFIX): value for name, value in _ours(secrets).items()}
    return {name: value for name, value in kept.items() if name.startswith(_ACCESS)}


def script_variables(secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the values of environment variables among a job's secrets; no script gets the others."""
    ours = _ours(secrets)
    return {name: value for name, value in secrets.items() if name not in ours}


def _ours(secrets: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in secrets.items() if name.startswith(_PREFIX)}


def _from_anywhere(store: MlflowStore) -> str:
    """Return the store's address in a form that means the same in every working directory."""
    if store.file is not None:
        _, mark, options = store.tracking_uri.partition("?")
        return f"sqlite:///{store.file}{mark}{options}"
    path = local_path(store.tracking_uri)
    return store.tracking_uri if path is None else path.absolute().as_uri()
