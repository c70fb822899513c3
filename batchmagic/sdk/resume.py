"""Resuming a job: a new numbered run over what is left, perhaps with other settings or another deployment version."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmagic.entities.effective import split_overrides
from batchmagic.entities.job_spec import REDO_FAILED
from batchmagic.errors import InterpreterMissing, UnknownField, ValidationException
from batchmagic.sdk.invoke import as_version, check_instances, check_predict_per
from batchmagic.sdk.resume_checks import check_ended, check_output_again, check_sense, check_snapshots
from batchmagic.workspace.outside import check_outside

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.entities.settings import Settings
    from batchmagic.sdk.session import Session
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

# The plan is made once; these would change it, or the form of what is committed already.
_FIXED = frozenset(
    {"mini_batch_size", "output_format", "output_action", "output_file_name", "environment_variables"}
)


def resume(
    session: Session,
    name: str,
    *,
    redo_failed: bool = False,
    version: int | str | None = None,
    params_override: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None = None,
) -> JobRecord:
    """Queue a new run of the job and return the job as it is stored."""
    ws, record = session.read(), session.job(name)
    check_ended(record)
    spec = _with_version(ws, record.spec, version)
    spec = replace(spec, settings=_changed(spec.settings, params_override))
    check_instances(spec.settings, ws.computes.get(spec.compute))
    check_predict_per(spec.settings, has_script=spec.code_dir is not None)
    check_sense(record, spec.settings, redo_failed=redo_failed)
    check_snapshots(ws, record, spec)
    check_output_again(ws, record, spec)
    if not os.access(spec.interpreter.executable, os.X_OK):
        raise InterpreterMissing(executable=spec.interpreter.executable)
    secrets = _secrets(ws, record, spec)
    values = ws.secrets.get(record.name) if secrets is None else secrets
    progress = record.progress
    left = redo_failed or not 0 < progress.mini_batches == progress.completed + progress.failed
    check_outside(ws.root, spec, values, unfinished=left)
    properties = {key: value for key, value in spec.properties.items() if key != REDO_FAILED}
    if redo_failed:
        properties[REDO_FAILED] = str(record.run + 1)
    ws.jobs.begin_run(
        record.name, after=record.run, spec=replace(spec, properties=properties), secrets=secrets
    )
    session.wake(spec.compute)
    return session.job(record.name)


def _secrets(ws: Workspace, record: JobRecord, spec: JobSpec) -> dict[str, str] | None:
    """Return the values of the new version's variables; None where those that the job keeps stay."""
    if spec.deployment_version == record.spec.deployment_version:
        return None
    stored = ws.deployments.get(spec.endpoint, spec.deployment, spec.deployment_version)
    return {**ws.secrets.get(record.name), **ws.secrets.get(stored.secret_key)}


def _with_version(ws: Workspace, spec: JobSpec, version: int | str | None) -> JobSpec:
    if version is None:
        return spec
    number = None
    if str(version) != "latest":
        if not str(version).isdecimal():
            raise ValidationException(
                field="deployment_version",
                value=version,
                reason="is no version",
                hint="Use a number, or latest.",
            )
        number = int(version)
    record = ws.deployments.get(spec.endpoint, spec.deployment, number)
    names = tuple(sorted({*spec.settings.environment_variables, *record.variables}))
    return replace(as_version(spec, record), settings=replace(spec.settings, environment_variables=names))


def _changed(settings: Settings, params: Iterable[Mapping[str, Any]] | Mapping[str, Any] | None) -> Settings:
    """Return the settings with the changes in `params`, checked like those of a deployment."""
    from batchmagic.entities import BatchDeployment  # noqa: PLC0415

    changes, others = split_overrides(params)
    for key in others:
        raise UnknownField(
            field=key, owner="resume", known=["error_threshold", "max_retries", "timeout", "instance_count"]
        )
    for key in changes:
        if key in _FIXED:
            raise ValidationException(
                field=key,
                value=changes[key],
                reason="cannot change in a resume",
                hint="The job's plan and output are made of it; invoke anew.",
            )
    if not changes:
        return settings
    checked = BatchDeployment(name="resumed").effective_settings(changes)
    names = {"fail_fast" if key == "no_fail_fast" else key for key in changes}
    return replace(settings, **{name: getattr(checked, name) for name in names})
