"""From an invoke to a frozen job: every check first, then one write."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchmagic.entities.job_spec import JobSpec
from batchmagic.errors import (
    InterpreterMissing,
    NotAllowed,
    OutputExists,
    ResourceExistsError,
    ResourceNotFoundError,
    UsageError,
    ValidationException,
)
from batchmagic.sdk.access import Access
from batchmagic.sdk.inputs import Bare, choose_input, resolve_input
from batchmagic.sdk.outputs import check_output, resolve_output
from batchmagic.sdk.overrides import Overrides, take_apart
from batchmagic.workspace.job_records import checked_name
from batchmagic.workspace.mlflow_runs import choose_store
from batchmagic.workspace.outside import from_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from batchmagic.entities import AmlCompute
    from batchmagic.entities.settings import Settings
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.deployments import DeploymentRecord
    from batchmagic.workspace.job_records import JobRecord

DEFAULT_COMPUTE = "local"
_RESERVED = "last"
# A caller who may start jobs may not thereby run code of their own.
_LOADS_CODE = re.compile(r"PATH$|PYTHON|LD_|DYLD_", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedJob:
    """A job that has passed every check and is not written yet.

    Attributes
    ----------
    secrets
        Values of the environment variables that the settings name, and what gets into the MLflow store.
    """

    spec: JobSpec
    secrets: dict[str, str]


def prepare(
    ws: Workspace,
    endpoint_name: str,
    *,
    deployment_name: str | None = None,
    input: Any = None,  # noqa: A002 - Azure's word
    inputs: Mapping[str, Any] | None = None,
    outputs: Mapping[str, Any] | None = None,
    params_override: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None = None,
    job_name: str | None = None,
    experiment_name: str | None = None,
    recursive: bool = False,
    overwrite: bool = False,
    bare: Bare = "path",
    command: str = "batchmagic",
    access: Access | None = None,
) -> PreparedJob:
    """Return the job that this invoke means, with everything frozen; nothing is written.

    Parameters
    ----------
    bare
        What a lone word as the input is: a path as in Azure's SDK, or an asset as on the command line.
    command
        What the reader types before the verbs, for hints.
    access
        The limits of the caller; None: there are none.

    Raises
    ------
    UsageError
        Of the kind that fits.
    NotDeclared
        If the input or output is none that the caller has been given.
    """
    access = access or Access.free()
    if not access.knows(endpoint_name):
        raise NotAllowed(f"These credentials are not for the endpoint {endpoint_name!r}.", target="endpoint")
    record = choose_deployment(ws, endpoint_name, deployment_name, command=command)
    overrides = take_apart(params_override)
    other = overrides.other
    compute = ws.computes.get(_compute_name(other.get("compute") or record.entity.compute))
    output = resolve_output(
        ws,
        outputs or other.get("outputs"),
        store=other.get("datastore"),
        folder=other.get("output_folder"),
        access=access,
    )
    check_variables(record, overrides.settings.get("environment_variables") or {}, access)
    changed = dict(overrides.settings)
    if output.file_name is not None:
        changed.setdefault("output_file_name", output.file_name)
    settings = record.entity.effective_settings(changed)
    check_instances(settings, compute)
    check_predict_per(settings, has_script=record.code_dir is not None)
    _check_interpreter(record)
    several = inputs or other.get("inputs")
    given = choose_input(other.get("input") if input is None and not several else input, several)
    source = resolve_input(ws, given, recursive=recursive, bare=bare, access=access)
    check_output(output.folder, settings, overwrite=overwrite, source=source.path, recursive=recursive)
    check_rival(ws, output.folder, settings)
    store = choose_store(ws.root)
    spec = JobSpec(
        name=_job_name(ws, job_name or other.get("job_name")),
        endpoint=record.endpoint,
        deployment=record.name,
        deployment_version=record.version,
        compute=compute.name,
        settings=settings,
        interpreter=record.interpreter,
        input_path=from_root(ws.root, source.path),
        input_type=source.type,
        input_reference=source.reference,
        input_within=None if source.within is None else from_root(ws.root, source.within),
        recursive=recursive,
        output_path=None if output.folder is None else from_root(ws.root, output.folder),
        overwrite=overwrite,
        experiment_name=experiment_name or other.get("experiment_name"),
        mlflow_store=None if store is None else store.uri,
        mlflow_folder=None if store is None else store.folder,
        properties=overrides.properties,
        **_frozen_deployment(record),
    )
    secrets = _secrets(ws, record, overrides, settings)
    return PreparedJob(spec=spec, secrets=secrets if store is None else {**secrets, **store.secrets})


def submit(
    ws: Workspace,
    prepared: PreparedJob,
    *,
    labels: Mapping[str, Any] | None = None,
    idempotency_key: str | None = None,
    request: str | None = None,
    most_queued: int | None = None,
) -> JobRecord:
    """Queue the job and see to it that its compute has a host; return the job as it is stored.

    Parameters
    ----------
    labels, idempotency_key, request, most_queued
        See `batchmagic.workspace.jobs.JobStore.submit`.
    """
    from batchmagic.workspace.launch import ensure_host  # noqa: PLC0415 - the front path of `prepare` does without

    record = ws.jobs.submit(
        prepared.spec,
        secrets=prepared.secrets,
        labels=labels,
        idempotency_key=idempotency_key,
        request=request,
        most_queued=most_queued,
    )
    ensure_host(ws, prepared.spec.compute)
    return record


def choose_deployment(
    ws: Workspace, endpoint_name: str, deployment_name: str | None, *, command: str = "batchmagic"
) -> DeploymentRecord:
    """Return the deployment that an invoke goes to: the named one, the default one, or the only one.

    Raises
    ------
    ResourceNotFoundError
        If there is none.
    UsageError
        If it cannot be told which one is meant.
    """
    endpoint = ws.endpoints.get(endpoint_name)
    wanted = deployment_name or endpoint.defaults.deployment_name
    known = ws.deployments.list(endpoint.name)
    if not known:
        raise ResourceNotFoundError(
            f"The endpoint {endpoint.name!r} has no deployment.",
            kind="deployment",
            hint=f"`{command} deploy {endpoint.name}/NAME --model …` makes one.",
        )
    if wanted is not None:
        return ws.deployments.get(endpoint.name, wanted)
    if len(known) > 1:
        names = ", ".join(record.name for record in known)
        raise UsageError(
            f"The endpoint {endpoint.name!r} has {len(known)} deployments and no default one: {names}.",
            target="deployment",
            hint=f"Name one, or `{command} endpoint update {endpoint.name} --default {known[0].name}`.",
        )
    return known[0]


def check_instances(settings: Settings, compute: AmlCompute) -> None:
    """Pass when the compute may have as many instances as the job wants.

    Raises
    ------
    ValidationException
        If not.
    """
    if settings.instance_count > compute.max_instances:
        raise ValidationException(
            field="instance_count",
            value=settings.instance_count,
            reason=f"is more than the {compute.max_instances} instances that the compute {compute.name!r} may have",
            hint=f"Use at most {compute.max_instances}, or raise max_instances of the compute.",
        )


def check_predict_per(settings: Settings, *, has_script: bool) -> None:
    """Pass when there is a ``predict`` of ours that the setting can be about.

    Raises
    ------
    ValidationException
        If it is given for a scoring script, which calls ``predict`` itself.
    """
    if has_script and settings.predict_per is not None:
        raise ValidationException(
            field="predict_per",
            value=settings.predict_per,
            reason="is for MLflow models without a scoring script",
            hint="A script decides itself what it predicts at once: run(mini_batch) gets mini_batch_size files.",
        )


def check_variables(record: DeploymentRecord, given: Mapping[str, Any], access: Access) -> None:
    """Pass when the caller may give scoring processes these environment variables.

    Raises
    ------
    NotAllowed
        If the caller has limits, and the deployment has no such variable, or it decides which code is loaded.
    """
    if not access.is_limited:
        return
    for name in given:
        if name not in record.variables or _LOADS_CODE.match(name):
            raise NotAllowed(
                f"environment_variables.{name} cannot be set by a caller.",
                target=f"environment_variables.{name}",
                hint="A caller may change variables that the deployment itself has, and none that chooses code.",
            )


def _compute_name(given: Any) -> str:
    return str(given or DEFAULT_COMPUTE).removeprefix("azureml:").rpartition("/")[2]


def _check_interpreter(record: DeploymentRecord) -> None:
    executable = record.interpreter.executable
    if not os.access(executable, os.X_OK):
        raise InterpreterMissing(executable=executable)


def check_rival(ws: Workspace, folder: Path | None, settings: Settings, *, besides: str = "") -> None:
    """Pass when no job that has not ended, `besides` this one, will write the same output.

    Raises
    ------
    OutputExists
        If one will.
    """
    if folder is None:
        return
    for rival in ws.jobs.writers(from_root(ws.root, folder)):
        same = rival.spec.settings.output_file_name == settings.output_file_name
        if same and rival.name != besides:
            error = OutputExists(path=str(folder / settings.output_file_name))
            error.hint = f"Job {rival.name}, which has not ended, will write it. Choose another output."
            raise error


def _job_name(ws: Workspace, name: str | None) -> str:
    """Return the name that was asked for; an empty one lets the store give one."""
    if name is None:
        return ""
    checked_name(name)
    if name.lower() == _RESERVED:
        raise ValidationException(
            field="job_name", value=name, reason="means the last job", hint="Choose another name."
        )
    if ws.jobs.is_taken(name):
        raise ResourceExistsError(
            f"There is a job {name!r} already.", target="job_name", hint="Choose another name."
        )
    return name


def _frozen_deployment(record: DeploymentRecord) -> dict[str, Any]:
    code = record.entity.code_configuration
    environment = record.entity.environment
    return {
        "model_name": record.model_name,
        "model_version": record.model_version,
        "model_type": record.model_type,
        "model_dir": record.model_dir,
        "code_dir": record.code_dir,
        "scoring_script": code.scoring_script if code and record.code_dir else None,
        "script_title": record.entity.script_title,
        "environment": environment if isinstance(environment, str | None) else environment.name,
    }


def _secrets(
    ws: Workspace, record: DeploymentRecord, overrides: Overrides, settings: Settings
) -> dict[str, str]:
    given = overrides.settings.get("environment_variables") or {}
    values = {**ws.secrets.get(record.secret_key), **{k: str(v) for k, v in given.items() if v is not None}}
    missing = [name for name in settings.environment_variables if name not in values]
    if missing:
        raise ValidationException(
            field=f"environment_variables.{missing[0]}", value=None, reason="has no value", hint="Give one."
        )
    return {name: values[name] for name in settings.environment_variables}


def as_version(prepared: JobSpec, record: DeploymentRecord) -> JobSpec:
    """Return the job's specification with another version of its deployment."""
    return replace(
        prepared,
        deployment_version=record.version,
        interpreter=record.interpreter,
        **_frozen_deployment(record),
    )
