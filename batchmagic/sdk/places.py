"""Where a reference to a datastore or to a job's output leads on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic.errors import ResourceNotFoundError
from batchmagic.names import safe_join
from batchmagic.workspace.datastores import DEFAULT_STORE, store_path

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities.references import Reference
    from batchmagic.workspace import Workspace

_OUTPUTS = ("score", "default")


@dataclass(frozen=True, kw_only=True, slots=True)
class Datastore:
    """A folder of the workspace under the name that Azure gives its default store."""

    name: str
    id: str
    path: str
    type: str = "local"


def datastore(ws: Workspace, name: str = DEFAULT_STORE) -> Datastore:
    """Return the datastore of that name.

    Raises
    ------
    ResourceNotFoundError
        If it is not the workspace's own.
    """
    return Datastore(name=name, id=f"azureml://datastores/{name}", path=str(store_path(ws.root, name)))


def datastore_path(ws: Workspace, reference: Reference) -> Path:
    """Return where a reference of kind ``datastore`` leads."""
    return store_path(ws.root, reference.store or "", reference.path)


def job_output_path(ws: Workspace, reference: Reference) -> Path:
    """Return where a reference of kind ``job`` leads: the output ``score``, or what is in it."""
    from batchmagic.sdk.results import output_folder  # noqa: PLC0415

    if reference.output not in _OUTPUTS:
        raise ResourceNotFoundError(kind="output", name=reference.output, known=["score"])
    folder = output_folder(ws, ws.jobs.get(reference.job or ""))
    return safe_join(folder, *[part for part in (reference.path or "").split("/") if part])
