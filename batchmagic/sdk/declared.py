"""Definitions of a caller from outside: every path in them becomes the real one that the caller has been given."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from batchmagic.entities import BatchDeployment, Data, Environment, Model
from batchmagic.entities.references import parse_reference
from batchmagic.errors import NotDeclared, ResourceNotFoundError
from batchmagic.sdk.access import Place, check_links, refused
from batchmagic.sdk.places import datastore_path, job_for
from batchmagic.workspace.mlflow_stores import local_path
from batchmagic.workspace.models import ARTIFACTS, job_output

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.entities.references import Reference
    from batchmagic.sdk.access import Access
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.deployments import DeploymentRecord

# What may stand in the place of a path, beside paths and the datastore.
_OF = {Model: frozenset({"asset", "job", "mlflow"}), Data: frozenset({"job"})}
_DOWNLOADED = "mlflow-artifacts:"


def confine(ws: Workspace, entity: Model | Data | Environment, access: Access | None) -> None:
    """Let every path of the definition be a real one that the caller may read; nothing is written.

    The path of a stored version stays what it is: who changes its tags reads nothing.

    Raises
    ------
    NotDeclared
        For a path that the caller has not been given.
    """
    if access is None or not access.is_limited or _is_stored(ws, entity):
        return
    if isinstance(entity, Environment):
        _confine_environment(ws, entity, access, "")
    elif entity.path is not None:
        entity.path = _path(ws, entity.path, "path", access, names=_OF[type(entity)])


def _is_stored(ws: Workspace, entity: Model | Data | Environment) -> bool:
    if not isinstance(entity, Data) or entity.name is None or entity.version is None:
        return False  # the files of others are in the workspace
    with contextlib.suppress(ResourceNotFoundError):
        stored = ws.assets.get("data", entity.name, entity.version)
        return isinstance(stored, Data) and (stored.path, stored.type) == (entity.path, entity.type)
    return False


def confine_deployment(
    ws: Workspace | None, entity: BatchDeployment, access: Access | None
) -> DeploymentRecord | None:
    """Let every path of the deployment be a real one that the caller may read; nothing is written.

    Returns
    -------
    DeploymentRecord or None
        The stored version whose code stays: the definition names that one's, which has not been declared.

    Raises
    ------
    NotDeclared
        For a path that the caller has not been given.
    """
    if ws is None or access is None or not access.is_limited:
        return None
    kept = _stored_code(ws, entity, access)
    if kept is None:
        _confine_code(ws, entity, access)
    if isinstance(entity.model, Model):
        if entity.model.path is not None:
            entity.model.path = _path(ws, entity.model.path, "model.path", access, names=_OF[Model])
    elif entity.model is not None and parse_reference(entity.model).kind != "asset":
        entity.model = _path(ws, entity.model, "model", access, names=_OF[Model])
    if isinstance(entity.environment, Environment):
        _confine_environment(ws, entity.environment, access, "environment.")
    return kept


def check_fetched(ws: Workspace, access: Access | None) -> Callable[[Reference, str], None]:
    """Return what passes when a place in an MLflow store is one that the caller may read, and raises else."""

    def check(reference: Reference, location: str) -> None:
        if access is None or not access.is_limited or location.startswith(_DOWNLOADED):
            return
        path = local_path(location)
        if path is None:
            raise refused(reference.text, "model")
        if path.resolve().is_relative_to(ws.root.resolve() / "mlflow"):
            return
        try:
            access.definition(str(path), "model", ws.root)
        except NotDeclared:
            raise refused(reference.text, "model") from None

    return check


def _confine_code(ws: Workspace, entity: BatchDeployment, access: Access) -> None:
    code = entity.code_configuration
    if code is None:
        return
    if code.code is not None:
        code.code = _path(ws, code.code, "code_configuration.code", access)
    elif code.scoring_script is not None:
        # It would be looked for in the working directory of the server.
        raise refused(code.scoring_script, "code_configuration.scoring_script")


def _stored_code(ws: Workspace, entity: BatchDeployment, access: Access) -> DeploymentRecord | None:
    with contextlib.suppress(ResourceNotFoundError):
        stored = ws.deployments.get(str(entity.endpoint_name), entity.name)
        same = stored.entity.code_configuration == entity.code_configuration
        if stored.code_dir is not None and same and not _is_declared(entity, access):
            return stored
    return None


def _confine_environment(ws: Workspace, entity: Environment, access: Access, prefix: str) -> None:
    if isinstance(entity.conda_file, str):
        entity.conda_file = _path(ws, entity.conda_file, f"{prefix}conda_file", access)
    if entity.build is not None and entity.build.path is not None:
        entity.build.path = _path(ws, entity.build.path, f"{prefix}build.path", access)


def _path(
    ws: Workspace, text: str, target: str, access: Access, *, names: frozenset[str] = frozenset()
) -> str:
    """Return the real path of what a definition names, or the reference itself where it is of one of the kinds `names`."""
    if not text.isprintable():
        raise refused(text, target)
    if access.mapped(text) is None:
        reference = parse_reference(text, bare="path")
        if reference.kind == "datastore":
            return str(access.definition(str(datastore_path(ws, reference)), target, ws.root).path)
        if reference.kind in names:
            _check_named(ws, reference, target, access)
            return text
        if reference.kind not in {"path", "uri"}:
            raise refused(text, target)
    return str(access.definition(text, target, ws.root).path)


def _check_named(ws: Workspace, reference: Reference, target: str, access: Access) -> None:
    """Pass for assets, for what MLflow knows, and for outputs of jobs, from which no link leads out."""
    is_run = reference.kind == "mlflow" or reference.output == ARTIFACTS
    if is_run and access.endpoint is not None:
        raise refused(reference.text, target)
    if reference.kind == "job" and not is_run:
        job_for(ws, reference, access)
        folder = job_output(ws, reference).resolve()
        check_links(Place(path=folder, within=folder, reference=reference.text), target)


def _is_declared(entity: BatchDeployment, access: Access) -> bool:
    """Return whether the code is said to be in a declared root: then it is read again, or refused."""
    code = entity.code_configuration
    return code is not None and code.code is not None and access.begins_with_root(code.code)
