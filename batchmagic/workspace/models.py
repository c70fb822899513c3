"""From what a user names as a model to a registered version of it in the workspace."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.entities import Model
from batchmagic.entities.references import Reference, described, parse_reference
from batchmagic.errors import ResourceNotFoundError, ValidationException
from batchmagic.names import safe_join
from batchmagic.workspace import mlflow_models
from batchmagic.workspace.datastores import store_path
from batchmagic.workspace.folders import folder_in, remove_tree
from batchmagic.workspace.garbage import INCOMING
from batchmagic.workspace.job_records import output_folder
from batchmagic.workspace.redaction import redact_uris

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.workspace.asset_records import AssetRecord
    from batchmagic.workspace.workspace import Workspace

_SCORE, ARTIFACTS = "score", "artifacts"
Check = Callable[["Reference", str], None]


def _pass(reference: Reference, location: str) -> None:
    """Let anybody read any place: who has no limits."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedModel:
    """A registered model, as a deployment records it.

    Attributes
    ----------
    directory
        The snapshot, relative to the workspace: a folder with exactly one child, the model.
    entity
        Its definition; the path is that of the snapshot.
    mlflow_uri
        What it is in an MLflow store, if it was registered there too.
    warnings
        What did not work and is no failure, such as an MLflow server that does not answer.
    """

    name: str
    version: str
    type: str
    directory: str
    entity: Model
    mlflow_uri: str | None = None
    warnings: tuple[str, ...] = ()


def register_model(ws: Workspace, model: Model, *, check: Check = _pass) -> ResolvedModel:
    """Register the model under its name, as a new version unless it names one.

    Parameters
    ----------
    model
        Its path is a local path, ``models:/…``, ``runs:/…`` or ``azureml://jobs/…``.
    check
        Called before anything is read with a reference to an MLflow store and the place that it leads to.

    Raises
    ------
    ValidationException
        If the path is none of these or does not hold what the type says.
    ResourceNotFoundError
        If no MLflow store knows the reference.
    ResourceExistsError
        If the version exists with other content.
    """
    return _register(ws, model, check, reuse=False)


def resolve_model(ws: Workspace, reference: str | Model, *, check: Check = _pass) -> ResolvedModel:
    """Return the registered model that `reference` means; what is not registered yet is then.

    Content that is registered already is found again, so that resolving twice gives one version.

    Parameters
    ----------
    reference
        ``azureml:NAME:VERSION``, ``azureml:NAME@latest``, a bare name, ``models:/NAME/VERSION``,
        ``models:/NAME@ALIAS``, ``runs:/RUN/PATH``, a local path, or a `Model`.
    check
        See `register_model`.

    Raises
    ------
    ResourceNotFoundError
        If no such model is registered, or no MLflow store knows it.
    ValidationException
        If a path does not exist or is not what the type says.
    """
    if isinstance(reference, str):
        return _resolve(ws, parse_reference(reference), check)
    if reference.path is None:
        if reference.name is None:
            raise ValidationException(field="model", value=None, reason="has neither a name nor a path")
        return _stored(ws, ws.assets.record("model", reference.name, reference.version))
    return _register(ws, reference, check, reuse=True)


def check_is_here(reference: Reference) -> None:
    """Pass when the reference to an asset can mean a model of the workspace.

    Raises
    ------
    ValidationException
        If it means one of a registry, or an asset of another kind.
    """
    if reference.registry is not None or reference.asset_type not in {None, "models"}:
        raise ValidationException(
            field="model",
            value=reference.text,
            reason=described(reference),
            hint="Download it (`az ml model download`), and give the local path."
            if reference.registry
            else "Use azureml:NAME:VERSION of a registered model.",
        )


def _resolve(ws: Workspace, reference: Reference, check: Check) -> ResolvedModel:
    if reference.kind == "asset":
        check_is_here(reference)
        record = ws.assets.record("model", str(reference.name), reference.version, label=reference.label)
        return _stored(ws, record)
    name = reference.name if reference.kind == "mlflow" else None
    return _register(ws, Model(name=name, path=reference.text), check, reuse=True, guess=True)


def _register(
    ws: Workspace, model: Model, check: Check, *, reuse: bool, guess: bool = False
) -> ResolvedModel:
    reference = _as_run(parse_reference(str(model.path), bare="path"))
    if reference.kind == "asset":
        return _copied(ws, model, reference, check)
    with _fetched(ws, reference, check) as (source, child):
        values = {**model.to_dict(), "path": str(source)}
        if guess or (reference.kind == "mlflow" and "type" not in model.model_fields_set):
            values["type"] = "mlflow_model" if (source / "MLmodel").is_file() else "custom_model"
        stored = ws.assets.register_model(
            Model.from_dict(values),
            reuse=reuse or model.name is None,
            child=child,
            anonymous=model.name is None,
        )
    found = _stored(ws, ws.assets.record("model", str(stored.name), stored.version))
    return found if reference.kind == "mlflow" else _published(ws, found)


def _copied(ws: Workspace, model: Model, reference: Reference, check: Check) -> ResolvedModel:
    found = _resolve(ws, reference, check)
    if model.name in {None, found.name}:
        return found
    return _register(ws, Model.from_dict({**model.to_dict(), "path": found.entity.path}), check, reuse=True)


@contextlib.contextmanager
def _fetched(ws: Workspace, reference: Reference, check: Check) -> Iterator[tuple[Path, str | None]]:
    """Give the local path of what is referred to, and the name that its snapshot shall have there."""
    if reference.kind == "path":
        yield Path(str(reference.path)), None
    elif reference.kind == "job":
        yield job_output(ws, reference), None
    elif reference.kind == "datastore":
        yield store_path(ws.root, str(reference.store), reference.path), None
    elif reference.kind == "mlflow":
        scratch = folder_in(ws.root, INCOMING) / secrets.token_hex(8)
        try:
            yield mlflow_models.fetch(ws.root, reference, scratch, check)
        finally:
            remove_tree(scratch)
    else:
        raise ValidationException(
            field="model",
            value=redact_uris(reference.text),
            reason=described(reference),
            hint="Download it, and give the local path.",
        )


def job_output(ws: Workspace, reference: Reference) -> Path:
    """Return where an output of a job is, or what a reference of kind ``job`` means in it."""
    record = ws.jobs.get(str(reference.job))
    output = _SCORE if reference.output == "default" else str(reference.output)
    is_score = output == _SCORE
    folder = (
        output_folder(record.spec, record.folder) if is_score else safe_join(record.folder, "outputs", output)
    )
    return safe_join(folder, reference.path or ".")


def _as_run(reference: Reference) -> Reference:
    """Return what Azure calls the artifacts of a job as what they are in MLflow: those of the run of that name."""
    if reference.kind == "job" and reference.output == ARTIFACTS:
        return replace(reference, kind="mlflow", output=None)
    return reference


def _stored(ws: Workspace, record: AssetRecord) -> ResolvedModel:
    entity = record.entity(ws.root)
    if not isinstance(entity, Model) or record.directory is None or not (ws.root / record.directory).is_dir():
        raise ResourceNotFoundError(
            f"The files of model {record.name!r} version {record.version} are gone.",
            kind="model",
            hint="Register it again.",
        )
    return ResolvedModel(
        name=record.name,
        version=record.version,
        type=str(record.type),
        directory=record.directory,
        entity=entity,
        mlflow_uri=record.mlflow_uri,
    )


def _published(ws: Workspace, found: ResolvedModel) -> ResolvedModel:
    """Register an MLflow model in the user's MLflow store too, so that ``mlflow ui`` shows it; never fails."""
    record = ws.assets.record("model", found.name, found.version)
    if found.type != "mlflow_model" or record.anonymous or record.mlflow_uri is not None:
        return found
    folder = Path(str(found.entity.path))
    uri, warning = mlflow_models.publish(ws.root, name=found.name, version=found.version, folder=folder)
    if uri is not None:
        ws.assets.note_published(record, uri)
    return ResolvedModel(
        name=found.name,
        version=found.version,
        type=found.type,
        directory=found.directory,
        entity=found.entity,
        mlflow_uri=uri,
        warnings=(warning,) if warning else (),
    )
