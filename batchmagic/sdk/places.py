"""Where a reference to a datastore or to a job's output leads on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic.errors import ResourceNotFoundError
from batchmagic.names import safe_join

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities.references import Reference
    from batchmagic.workspace import Workspace

DEFAULT_STORE = "workspaceblobstore"
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
    if name != DEFAULT_STORE:
        raise ResourceNotFoundError(kind="datastore", name=name, known=[DEFAULT_STORE])
    return Datastore(name=name, id=f"azureml://datastores/{name}", path=str(ws.root / "datastores" / name))


def store_path(ws: Workspace, name: str, inner: str | None) -> Path:
    """Return where a path inside a datastore is."""
    from pathlib import Path  # noqa: PLC0415

    return safe_join(Path(datastore(ws, name).path), *[part for part in (inner or "").split("/") if part])


def datastore_path(ws: Workspace, reference: Reference) -> Path:
    """Return where a reference of kind ``datastore`` leads."""
    return store_path(ws, reference.store or "", reference.path)


def job_output_path(ws: Workspace, reference: Reference) -> Path:
    """Return where a reference of kind ``job`` leads: the output ``score``, or what is in it."""
    from batchmagic.sdk.results import output_folder  # noqa: PLC0415

    if reference.output not in _OUTPUTS:
        raise ResourceNotFoundError(kind="output", name=reference.output, known=["score"])
    folder = output_folder(ws, ws.jobs.get(reference.job or ""))
    return safe_join(folder, *[part for part in (reference.path or "").split("/") if part])
