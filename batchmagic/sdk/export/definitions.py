"""Stored entities as YAML that Azure's loader and ours read: effective values, and a label for what nobody gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.capacity import cores
from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.assets import AS_TAG
from batchmagic.entities.base import SCHEMA_KEY
from batchmagic.entities.deployment import CELL
from batchmagic.entities.unset import DEFAULTS, LOCAL_COMPUTE, label_of
from batchmagic.entities.yaml_source import write_yaml
from batchmagic.sdk.export.packages import IMAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.entities import AmlCompute, BatchEndpoint, Environment, Model
    from batchmagic.sdk.export.gather import DeploymentPlan

CODE, FILES, BUILD = "code", "files", "build"
"""The folders beside a definition that hold what it refers to."""
_SCHEMAS = "https://azuremlschemas.azureedge.net/latest/"
# What the size that Azure takes when none is named has.
_AZURE_CORES = 4
# Azure prints them, and takes them back in no file.
_READ_ONLY = frozenset({"utc_time_created"})
_FLAT = (
    "mini_batch_size",
    "max_concurrency_per_instance",
    "output_action",
    "output_file_name",
    "retry_settings",
    "error_threshold",
    "logging_level",
)


def endpoint_text(endpoint: BatchEndpoint) -> str:
    """Return the definition of the endpoint, its default deployment last."""
    values = endpoint.to_dict()
    defaults = values.pop("defaults", None)
    return _text("batchEndpoint", {**values, **({"defaults": defaults} if defaults else {})})


def compute_text(name: str, compute: AmlCompute) -> str:
    """Return the definition of a compute under the name that it has in Azure."""
    values = {**compute.to_dict(), "name": name}
    if compute.name == LOCAL_COMPUTE:
        values = _labelled(values, {"name": name}, "tags")
    return _text("amlCompute", values)


def model_text(model: Model, child: str, *, left_out: bool) -> str:
    """Return the definition of a model whose file or folder `child` lies below it, or is left out."""
    values = {key: value for key, value in model.to_dict().items() if key not in _READ_ONLY}
    note = (
        f"Its files were left out (--no-model-files): put them into {FILES}/, under the name {child}."
        if left_out
        else ""
    )
    return _text("model", {**values, "path": f"{FILES}/{child}"}, note)


def environment_text(environment: Environment) -> str:
    """Return the definition of an environment; a build context lies beside it."""
    values = environment.to_dict()
    # Azure's file has no place for them.
    properties = values.pop("properties", {})
    if properties:
        values["tags"] = {**values.get("tags", {}), **{AS_TAG + key: v for key, v in properties.items()}}
    if "image" not in values and "build" not in values:
        values = _labelled({**values, "image": IMAGE}, {"image": IMAGE}, "tags")
    if has_build_folder(environment):
        values["build"] = {**values["build"], "path": BUILD}
    return _text("environment", values)


def has_build_folder(environment: Environment) -> bool:
    """Tell whether the environment is built from a folder of this machine."""
    path = None if environment.build is None else environment.build.path
    return path is not None and "://" not in path and not path.startswith("git")


def deployment_text(plan: DeploymentPlan) -> str:
    """Return the definition of a deployment.

    It is the flat form without ``type``: Azure's public loader refuses ``settings:``, and the one that its command
    line takes where a ``type`` stands refuses the flat form. Without ``type`` both read it.
    """
    entity = plan.record.entity
    values = entity.to_dict()
    values.pop("type")
    values.pop("settings", None)
    effective, unset = _effective(plan)
    variables = entity.environment_variables
    code = {"code": f"./{CODE}", "scoring_script": entity.scoring_script}
    body: dict[str, Any] = {
        "name": values.pop("name"),
        "endpoint_name": values.pop("endpoint_name"),
        "description": values.pop("description", None),
        "model": values.pop("model", None),
        "code_configuration": code if plan.code is not None else None,
        "environment": plan.environment,
        "compute": f"azureml:{plan.compute}",
        "resources": {**values.pop("resources", {}), "instance_count": effective.pop("instance_count")},
        **effective,
        "environment_variables": dict.fromkeys(variables) or None,
    }
    rest = {key: value for key, value in values.items() if key not in {*body, "code_configuration"}}
    properties = {key: value for key, value in rest.pop("properties", {}).items() if key != CELL}
    found = {key: value for key, value in {**body, **rest}.items() if value is not None}
    labelled = _labelled({**found, **({"properties": properties} if properties else {})}, unset, "properties")
    return _text("batchDeployment", labelled, _variables_note(plan))


def processes_in_azure() -> int:
    """Return how many processes a deployment gets there that gives no number: as many as here, if the size allows it."""
    return min(cores(), _AZURE_CORES)


def _effective(plan: DeploymentPlan) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings in force, and those values among all that are written which nobody gave."""
    given, force = plan.record.entity.settings, plan.record.entity.effective_settings()
    values: dict[str, Any] = {
        "instance_count": force.instance_count,
        "mini_batch_size": force.mini_batch_size,
        "max_concurrency_per_instance": force.max_concurrency_per_instance or processes_in_azure(),
        "output_action": str(force.output_action),
        "output_file_name": force.output_file_name,
        "error_threshold": -1 if force.error_threshold is None else force.error_threshold,
        "logging_level": force.logging_level,
    }
    if force.output_action is BatchDeploymentOutputAction.SUMMARY_ONLY:
        del values["output_file_name"]  # Azure refuses one where no rows are kept
    retries = {"max_retries": force.max_retries, "timeout": force.timeout}
    unset = {key: value for key, value in values.items() if getattr(given, key) is None}
    unset |= {key: value for key, value in retries.items() if getattr(given.retry_settings, key) is None}
    if plan.record.entity.compute == LOCAL_COMPUTE:
        unset["compute"] = plan.compute
    if plan.environment_added:
        unset["environment"] = plan.environment
    count = values.pop("instance_count")
    ordered = {
        key: ({**values, "retry_settings": retries})[key]
        for key in _FLAT
        if key in {*values, "retry_settings"}
    }
    return {"instance_count": count, **ordered}, unset


def _variables_note(plan: DeploymentPlan) -> str:
    if not plan.record.variables:
        return ""
    return "The values of environment_variables are not written: deploy.sh asks for them."


def _labelled(values: Mapping[str, Any], unset: Mapping[str, Any], holder: str) -> dict[str, Any]:
    if not unset:
        return dict(values)
    return {**values, holder: {**values.get(holder, {}), DEFAULTS: label_of(unset)}}


def _text(schema: str, values: Mapping[str, Any], note: str = "") -> str:
    comment = f"# {note}\n" if note else ""
    return comment + write_yaml({SCHEMA_KEY: f"{_SCHEMAS}{schema}.schema.json", **values})
