"""Models out of an MLflow store, and into one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from batchmagic.errors import NotAllowed, ResourceNotFoundError, ValidationException
from batchmagic.workspace.mlflow_stores import MlflowStore, client_of, known_stores, local_path
from batchmagic.workspace.redaction import redact_uris

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchmagic.entities.references import Reference

_LOGGED = "models:/"
_EXPERIMENT = "batchmagic"


def fetch(
    root: Path, reference: Reference, scratch: Path, check: Callable[[Reference, str], None]
) -> tuple[Path, str]:
    """Return the local path of a ``models:/`` or ``runs:/`` reference and the name that it has to scripts.

    Parameters
    ----------
    root
        The workspace.
    scratch
        Where a download may go; the caller removes it.
    check
        Called with the reference and the place that it leads to; what it raises is raised.

    Raises
    ------
    ResourceNotFoundError
        If none of the stores knows it; says which were asked, and why one could not be.
    """
    notes = []
    for store in known_stores(root):
        if not store.is_there:
            continue
        try:
            location = _location(client_of(store), reference)
            check(reference, location)
            path = _download(store, location, scratch)
        except NotAllowed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a store raises, the next one is asked and the error told
            notes.append(f"{store}: {_first_line(error)}")
            continue
        if path.exists():
            return path, _child(reference)
        notes.append(f"{store}: its files are gone")
    asked = "; ".join(notes) or "there is none"
    raise ResourceNotFoundError(
        f"No MLflow store has {reference.text!r}.",
        kind="model",
        hint=f"Asked: {asked}. Set MLFLOW_TRACKING_URI to the store that has it.",
    )


def publish(root: Path, *, name: str, version: str, folder: Path) -> tuple[str | None, str | None]:
    """Register the model in `folder` in the first MLflow store; return its URI there, or a warning why not."""
    store = known_stores(root)[0]
    try:
        client = client_of(store)
        _ensure_name(client, name)
        source, run = _upload(client, folder) if store.is_remote else (folder.as_uri(), None)
        tags = {"batchmagic.version": version}
        made = client.create_model_version(name, source, run_id=run, tags=tags, await_creation_for=0)
    except Exception as error:  # noqa: BLE001 - the model is registered here in any case, and the error is told
        return None, f"Model {name!r} was not registered in MLflow ({store}): {_first_line(error)}"
    return f"models:/{name}/{made.version}", None


def _location(client: Any, reference: Reference) -> str:
    if reference.job is not None:
        return _location_in_run(client, reference.job, reference.path or "")
    name = str(reference.name)
    if reference.version is None and reference.label is None and name.startswith("m-"):
        return str(client.get_logged_model(name).artifact_location)
    uri = str(client.get_model_version_download_uri(name, _version(client, name, reference)))
    if uri.startswith(_LOGGED):
        return str(client.get_logged_model(uri.removeprefix(_LOGGED).strip("/")).artifact_location)
    return uri


def _version(client: Any, name: str, reference: Reference) -> str:
    if reference.label is not None:
        return str(client.get_model_version_by_alias(name, reference.label).version)
    if reference.version is not None and reference.version.isdecimal():
        return reference.version
    # No version, "latest", or one of the stages that MLflow gives up: looked up among all versions.
    stage = None if reference.version in {None, "latest"} else str(reference.version)
    versions = [
        int(found.version)
        for found in client.search_model_versions(f"name = '{name}'")
        if stage is None or str(found.current_stage).lower() == stage.lower()
    ]
    if not versions:
        raise LookupError(f"it has no model {name!r}" + (f" in stage {stage!r}" if stage else ""))
    return str(max(versions))


def _location_in_run(client: Any, run_id: str, path: str) -> str:
    # The location may be a URI, in which an escape is a dot as well.
    if ".." in unquote(path).replace("\\", "/").split("/"):
        raise ValidationException(field="model", value=path, reason="leaves the run")
    run = client.get_run(run_id)
    name, _, rest = path.partition("/")
    # Since MLflow 3 a logged model lies outside its run's artifacts.
    if name and "'" not in name:
        models = client.search_logged_models([run.info.experiment_id], filter_string=f"name = '{name}'")
        for model in models:
            if model.source_run_id == run_id:
                return f"{model.artifact_location}/{rest}".rstrip("/")
    return f"{run.info.artifact_uri}/{path}".rstrip("/")


def _download(store: MlflowStore, location: str, scratch: Path) -> Path:
    path = local_path(location)
    if path is not None:
        return path
    from mlflow.artifacts import download_artifacts  # noqa: PLC0415 - slow

    got = download_artifacts(
        artifact_uri=location,
        dst_path=str(scratch),
        tracking_uri=store.tracking_uri,
        registry_uri=store.registry_uri,
    )
    return type(scratch)(got)


def _child(reference: Reference) -> str:
    if reference.job is not None and reference.path:
        return reference.path.rstrip("/").rpartition("/")[2]
    return "model"


def _ensure_name(client: Any, name: str) -> None:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow

    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _upload(client: Any, folder: Path) -> tuple[str, str]:
    experiment = client.get_experiment_by_name(_EXPERIMENT)
    number = experiment.experiment_id if experiment is not None else client.create_experiment(_EXPERIMENT)
    run = client.create_run(number, run_name=f"register {folder.name}")
    client.log_artifacts(run.info.run_id, str(folder), folder.name)
    client.set_terminated(run.info.run_id)
    return f"{run.info.artifact_uri}/{folder.name}", str(run.info.run_id)


def _first_line(error: Exception) -> str:
    return redact_uris(str(error).strip().split("\n", 1)[0])[:700] or type(error).__name__
