"""Where a reference to a datastore or to a job's output leads on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic.errors import ResourceNotFoundError
from batchmagic.names import safe_join
from batchmagic.sdk.access import refused
from batchmagic.workspace.datastores import DEFAULT_STORE, store_path

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities.references import Reference
    from batchmagic.sdk.access import Access
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

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


def job_for(ws: Workspace, reference: Reference, access: Access) -> JobRecord:
    """Return the job that a reference means, if the caller may know of it.

    Raises
    ------
    ResourceNotFoundError
        If there is none.
    NotDeclared
        If the caller knows one endpoint, and this is no job of it.
    """
    name = reference.job or ""
    try:
        record = ws.jobs.get(name)
    except ResourceNotFoundError:
        if access.endpoint is None:
            raise
        raise refused(reference.text, "input") from None
    # Of other jobs not even the beginning of a name is answered.
    known = name in {record.name, record.child_name} and access.knows(record.spec.endpoint)
    if access.endpoint is not None and not known:
        raise refused(reference.text, "input")
    return record


def job_output_path(ws: Workspace, reference: Reference, access: Access) -> Path:
    """Return where a reference of kind ``job`` leads: the output ``score``, or what is in it.

    Raises
    ------
    ResourceNotFoundError
        If there is no such job or output.
    NotDeclared
        If the job is not of the endpoint that the caller knows, or there is none of that name.
    """
    from batchmagic.sdk.results import output_folder  # noqa: PLC0415

    if reference.output not in _OUTPUTS:
        raise ResourceNotFoundError(kind="output", name=reference.output, known=["score"])
    folder = output_folder(ws, job_for(ws, reference, access))
    return safe_join(folder, *[part for part in (reference.path or "").split("/") if part])
