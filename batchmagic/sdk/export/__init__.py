"""An endpoint as a folder that Azure takes: YAML, code and models, and a script of ``az ml`` calls in their order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic.sdk.export.files import write
from batchmagic.sdk.export.folder import new_tree
from batchmagic.sdk.export.gather import gather

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from batchmagic.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class Exported:
    """What was written.

    Attributes
    ----------
    files
        Names of the definitions and the script, relative to `folder`.
    notes
        What Azure lacks or does otherwise, and what is left to do by hand; ``README.md`` has them too.
    """

    folder: Path
    endpoint: str
    deployments: tuple[str, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]


def export(
    ws: Workspace,
    endpoint_name: str,
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    model_files: bool = True,
) -> Exported:
    """Write the endpoint with all that it needs into a folder; nothing is there if anything goes wrong.

    Parameters
    ----------
    folder
        Made if it is not there; the one above it must be.
    overwrite
        Replace what an earlier export wrote there, and files of the same names; all other files stay.
    model_files
        Copy the files of the models too.

    Raises
    ------
    ResourceNotFoundError
        If there is no such endpoint, or it has no deployment.
    ResourceExistsError
        If the folder is not empty.
    ValidationException
        If the folder cannot be one, or a name is none in Azure.
    InterpreterMissing
        If a deployment without an environment was made with a Python that is gone: its packages are not known.
    DiskError
        If a file cannot be read or written.
    """
    plan = gather(ws, endpoint_name, model_files=model_files)
    with new_tree(folder, ws.root, overwrite=overwrite) as tree:
        files = write(plan, tree.new)
    return Exported(
        folder=tree.target,
        endpoint=plan.endpoint.name,
        deployments=tuple(deployment.name for deployment in plan.deployments),
        files=files,
        notes=plan.notes,
    )
