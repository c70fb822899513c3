"""From a deployment's definition to a stored version: every check first, then the snapshots, then one write."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from batchmagic.constants import AssetTypes
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Environment, Model, Resource
from batchmagic.entities.deployment import CELL
from batchmagic.entities.job_spec import Interpreter
from batchmagic.entities.references import Reference, described, parse_reference
from batchmagic.errors import ResourceNotFoundError, ScriptError, ValidationException
from batchmagic.names import safe_join
from batchmagic.sdk.declared import check_fetched, confine_deployment
from batchmagic.sdk.invoke import DEFAULT_COMPUTE, check_instances, check_predict_per
from batchmagic.sdk.places import datastore_path
from batchmagic.sdk.scripts import check_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchmagic.sdk.access import Access
    from batchmagic.sdk.session import Session
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.deployments import DeploymentRecord
    from batchmagic.workspace.models import ResolvedModel

R = TypeVar("R", bound=Resource)

_KINDS = {True: AssetTypes.MLFLOW_MODEL, False: AssetTypes.CUSTOM_MODEL}


@dataclass(frozen=True, kw_only=True, slots=True)
class Deployed:
    """What `deploy` has done.

    Attributes
    ----------
    made_endpoint, became_default
        Whether it made the endpoint, and the deployment its default.
    is_default
        Whether the deployment is the default one now.
    """

    record: DeploymentRecord
    made_endpoint: bool
    became_default: bool
    is_default: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedDeployment:
    """A deployment that has passed every check and is not written yet.

    Attributes
    ----------
    code
        Folder to snapshot, or a single script; None without code, or where `kept` has it.
    kept
        The stored version that this is a change of, and whose code stays.
    """

    entity: BatchDeployment
    code: Path | None
    kept: DeploymentRecord | None


def this_interpreter() -> Interpreter:
    """Return the Python that runs this."""
    return Interpreter(executable=sys.executable, version=sys.version.split()[0], prefix=sys.prefix)


def prepare(
    ws: Workspace | None,
    given: BatchDeployment,
    *,
    skip_script_validation: bool = False,
    new_endpoint: bool = False,
    staged: Path | None = None,
    coming: Sequence[Resource] = (),
    access: Access | None = None,
) -> PreparedDeployment:
    """Return the deployment with absolute paths, checked; nothing is written.

    Parameters
    ----------
    ws
        None: there is no workspace yet.
    new_endpoint
        The endpoint is going to be made.
    staged
        A folder with the code to snapshot, the scoring script in it, in place of the one that is defined.
    coming
        Entities that are going to be stored before it, and may be referred to.
    access
        The limits of the caller; None: there are none.

    Raises
    ------
    UsageError
        Of the kind that fits: `NotDeclared` for a path that the caller has not been given.
    """
    entity = given.model_copy(deep=True)
    kept = confine_deployment(ws, entity, access)
    entity.resolve_paths(Path.cwd())
    if entity.endpoint_name is None:
        raise ValidationException(
            "The deployment names no endpoint.", field="endpoint_name", hint="Give endpoint_name."
        )
    if not new_endpoint and _coming(coming, BatchEndpoint, entity.endpoint_name) is None:
        _need(ws, "endpoint", entity.endpoint_name).endpoints.get(entity.endpoint_name)
    entity.compute = entity.compute or DEFAULT_COMPUTE
    compute = _coming(coming, AmlCompute, entity.compute) or _compute(ws, entity.compute)
    check_instances(entity.effective_settings(), compute)
    kept = kept or _unchanged_code(ws, entity)
    if kept is None and entity.id is not None:
        # It was read from the store, and its script is another one since.
        entity.properties.pop(CELL, None)
    code = None if kept else _code(entity, staged, validate=not skip_script_validation)
    has_script = code is not None or (kept is not None and kept.code_dir is not None)
    check_predict_per(entity.effective_settings(), has_script=has_script)
    _check_model(ws, entity, coming, has_script=has_script)
    if isinstance(entity.environment, str) and _coming(coming, Environment, entity.environment) is None:
        _check_environment(ws, entity.environment)
    return PreparedDeployment(entity=entity, code=code, kept=kept)


def store(
    ws: Workspace,
    prepared: PreparedDeployment,
    *,
    interpreter: Interpreter | None = None,
    new_endpoint: bool = False,
    access: Access | None = None,
) -> DeploymentRecord:
    """Snapshot model and code, freeze the interpreter, and store the deployment; return the stored version.

    Parameters
    ----------
    interpreter
        None: the Python that runs this.
    new_endpoint
        Make the endpoint, once nothing can fail any more.
    access
        The limits of the caller: where MLflow's references lead is only seen here.
    """
    from batchmagic.workspace.models import resolve_model  # noqa: PLC0415 - looks into MLflow's stores

    entity = prepared.entity.model_copy(deep=True)
    model: ResolvedModel | None = None
    if entity.model is not None:
        model = resolve_model(ws, entity.model, check=check_fetched(ws, access))
        entity.model = f"azureml:{model.name}:{model.version}"
    if isinstance(entity.environment, Environment):
        environment = ws.assets.register_environment(entity.environment)
        entity.environment = f"azureml:{environment.name}:{environment.version}"
    elif entity.environment is not None:
        entity.environment = _frozen(ws, entity.environment)
    code_dir = prepared.kept.code_dir if prepared.kept else _snapshot(ws, prepared.code, entity)
    if new_endpoint:
        ws.endpoints.put(BatchEndpoint(name=str(entity.endpoint_name)))
    return ws.deployments.put(
        entity, interpreter=interpreter or this_interpreter(), model=model, code_dir=code_dir
    )


def deploy(
    session: Session, given: BatchDeployment, *, make_default: bool = False, staged: Path | None = None
) -> Deployed:
    """Store the deployment; its endpoint is made if it is not there, and the first deployment becomes the default.

    Parameters
    ----------
    make_default
        It becomes the default in any case.
    staged
        See `prepare`.
    """
    ws = session.peek()
    new_endpoint = ws is None or given.endpoint_name not in {
        endpoint.name for endpoint in ws.endpoints.list()
    }
    prepared = prepare(ws, given, new_endpoint=new_endpoint, staged=staged)
    ws = session.write()
    record = store(ws, prepared, new_endpoint=new_endpoint)
    endpoint = ws.endpoints.get(record.endpoint)
    changes = endpoint.defaults.deployment_name is None or (
        make_default and endpoint.defaults.deployment_name != record.name
    )
    if changes:
        endpoint.defaults.deployment_name = record.name
        ws.endpoints.put(endpoint)
    return Deployed(
        record=record,
        made_endpoint=new_endpoint,
        became_default=changes,
        is_default=endpoint.defaults.deployment_name == record.name,
    )


def _need(ws: Workspace | None, kind: str, name: str) -> Workspace:
    if ws is None:
        raise ResourceNotFoundError(kind=kind, name=name, hint="There is no workspace here yet.")
    return ws


def _coming(coming: Sequence[Resource], kind: type[R], text: str) -> R | None:
    """Return the entity of that kind which is going to be stored under the name that `text` refers to."""
    reference = parse_reference(text)
    name = reference.name if reference.kind == "asset" else text
    return next((e for e in coming if isinstance(e, kind) and getattr(e, "name", None) == name), None)


def _compute(ws: Workspace | None, name: str) -> AmlCompute:
    if ws is None and name == DEFAULT_COMPUTE:
        return AmlCompute(name=DEFAULT_COMPUTE, max_instances=2)
    return _need(ws, "compute", name).computes.get(name)


def _unchanged_code(ws: Workspace | None, entity: BatchDeployment) -> DeploymentRecord | None:
    """Return the stored version that `entity` was read from, if its code is still that one's."""
    if ws is None or entity.id is None:
        return None
    try:
        stored = ws.deployments.get(str(entity.endpoint_name), entity.name)
    except ResourceNotFoundError:
        return None
    same = stored.entity.code_configuration == entity.code_configuration and stored.entity.id == entity.id
    return stored if same else None


# --- code


def _code(entity: BatchDeployment, staged: Path | None, *, validate: bool) -> Path | None:
    """Return what is to be snapshotted: the code folder, or the script alone where no folder is given."""
    code = entity.code_configuration
    if code is None or (code.code is None and code.scoring_script is None):
        return None
    if code.scoring_script is None:
        raise ScriptError(
            f"The code folder {code.code!r} comes without a scoring_script.",
            target="scoring_script",
            hint="Name the script in it that has run(mini_batch).",
        )
    if staged is not None:
        source, script = staged, safe_join(staged, code.scoring_script)
    elif code.code is None:
        script = Path(os.path.abspath(code.scoring_script))  # noqa: PTH100 - links stay links
        source = script
    elif Path(code.code).name == code.scoring_script and not Path(code.code).is_dir():
        # The script itself stands for its folder: it is snapshotted alone.
        script = source = Path(code.code)
    else:
        source = _folder(code.code)
        script = safe_join(source, code.scoring_script)
    if not script.is_file():
        raise ScriptError(
            f"There is no scoring script {str(script)!r}.",
            target="scoring_script",
            hint=_scripts_in(script.parent),
        )
    if validate:
        check_script(script, title=entity.script_title)
    return source


def _folder(text: str) -> Path:
    reference = parse_reference(text, bare="path")
    if reference.kind != "path":
        raise ScriptError(
            f"The code folder {text!r} {described(reference)}.",
            target="code",
            hint="Download it, and give the local folder.",
        )
    folder = Path(text).expanduser()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "does not exist"
        raise ScriptError(f"The code folder {text!r} {what}.", target="code")
    return folder


def _scripts_in(folder: Path) -> str:
    found = sorted(path.name for path in folder.glob("*.py"))[:5] if folder.is_dir() else []
    return f"{folder.name}/ has {', '.join(found)}." if found else ""


def _snapshot(ws: Workspace, source: Path | None, entity: BatchDeployment) -> str | None:
    if source is None:
        return None
    if source.is_dir():
        return ws.assets.register_code(source)
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy2(source, folder)
        if entity.code_configuration is not None:
            entity.code_configuration.scoring_script = source.name
        return ws.assets.register_code(Path(folder))


# --- model and environment


def _check_model(
    ws: Workspace | None, entity: BatchDeployment, coming: Sequence[Resource], *, has_script: bool
) -> None:
    if entity.model is None:
        if not has_script:
            raise ValidationException(
                "The deployment has no model.", field="model", hint="Name a model, or give a scoring script."
            )
        return
    named = entity.model if isinstance(entity.model, str) else None
    model = (_coming(coming, Model, named) if named else None) or entity.model
    kind = _model_type(ws, model)
    if not has_script and kind != AssetTypes.MLFLOW_MODEL:
        raise ScriptError(
            "A model that is no MLflow model needs a scoring script.",
            target="code_configuration",
            hint="Pass --code DIR --scoring-script FILE, or save the model with MLflow.",
        )


def _model_type(ws: Workspace | None, given: Model | str) -> str:
    """Return the type that the model has or will have.

    Raises
    ------
    ResourceNotFoundError
        If a registered model, or the path of one, does not exist.
    """
    if isinstance(given, Model):
        if given.id is None and given.path is not None:
            found = _path_type(parse_reference(given.path, bare="path"), ws)
            if "type" not in given.model_fields_set:
                given.type = "mlflow_model" if found == AssetTypes.MLFLOW_MODEL else "custom_model"
        return given.type
    reference = parse_reference(given)
    if reference.kind == "asset":
        from batchmagic.workspace.models import check_is_here  # noqa: PLC0415 - looks into MLflow's stores

        check_is_here(reference)
        found_model = _need(ws, "model", given).assets.record(
            "model", str(reference.name), version=reference.version, label=reference.label
        )
        return str(found_model.type)
    return _path_type(reference, ws)


def check_path(model: Model) -> None:
    """Pass when the model is not at a local path, or there is something at that path.

    Raises
    ------
    ResourceNotFoundError
        If there is nothing.
    """
    if model.path is not None:
        _path_type(parse_reference(model.path, bare="path"))


def _path_type(reference: Reference, ws: Workspace | None = None) -> str:
    if reference.kind == "mlflow" or reference.output == "artifacts":
        return AssetTypes.MLFLOW_MODEL
    if reference.kind == "datastore" and ws is not None:
        path = datastore_path(ws, reference)
    elif reference.kind == "path":
        path = Path(reference.path or "").expanduser()
    else:
        return AssetTypes.CUSTOM_MODEL
    if not path.exists():
        raise ResourceNotFoundError(f"There is no model at {reference.text!r}.", kind="model")
    return _KINDS[(path / "MLmodel").is_file()]


def _frozen(ws: Workspace, environment: str) -> str:
    """Return the reference with the version that it means today."""
    reference = parse_reference(environment)
    if reference.kind != "asset" or reference.registry is not None:
        return environment
    found = ws.assets.record(
        "environment", str(reference.name), version=reference.version, label=reference.label
    )
    return f"azureml:{found.name}:{found.version}"


def _check_environment(ws: Workspace | None, text: str) -> None:
    reference = parse_reference(text)
    if reference.kind == "asset" and reference.registry is None:
        _need(ws, "environment", text).assets.get(
            "environment", str(reference.name), version=reference.version, label=reference.label
        )
