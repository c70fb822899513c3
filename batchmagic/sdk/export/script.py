"""The script that puts an export into Azure, and the page that goes with it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.entities import Environment
    from batchmagic.sdk.export.gather import DeploymentPlan, ModelFiles, Plan

ENDPOINT, SCRIPT = "endpoint.yml", "deploy.sh"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def compute_file(name: str) -> str:
    """Return the place of a compute's definition."""
    return f"computes/{name}/compute.yml"


def model_file(model: ModelFiles) -> str:
    """Return the place of a model's definition; its files lie beside it."""
    return f"models/{model.entity.name}/{model.entity.version}/model.yml"


def environment_file(environment: Environment) -> str:
    """Return the place of an environment's definition."""
    return f"environments/{environment.name}/{environment.version}/environment.yml"


def deployment_file(deployment: DeploymentPlan) -> str:
    """Return the place of a deployment's definition; its code lies beside it."""
    return f"deployments/{deployment.name}/deployment.yml"


def deploy_script(plan: Plan) -> str:
    """Return the script: what is referred to comes before what refers to it."""
    return "\n".join([_HEAD.format(endpoint=plan.endpoint.name), *_steps(plan)]) + "\n"


def readme(plan: Plan) -> str:
    """Return the page: how the export is used, and what Azure lacks."""
    lines = [f"- {note}" for note in plan.notes] or ["- Nothing."]
    return _README.format(endpoint=plan.endpoint.name, notes="\n".join(lines))


def _steps(plan: Plan) -> Iterator[str]:
    variables = [line for deployment in plan.deployments for line in _asks(deployment)]
    if variables:
        yield "# The values of variables, which no file holds."
        yield from [*variables, ""]
    yield "# What is there already stays as it is: versions of models and environments do not change."
    for name in plan.computes:
        yield _unless_there(f"compute show --name {name}", f"compute create --file {compute_file(name)}")
    for model in plan.models:
        yield _model_step(model)
    for environment in plan.environments:
        named = f"--name {environment.name} --version {environment.version}"
        yield _unless_there(
            f"environment show {named}", f"environment create --file {environment_file(environment)}"
        )
    yield from _endpoint_steps(plan)
    for deployment in plan.deployments:
        yield _deployment_step(deployment, is_default=deployment.name == _default(plan))
    yield ""
    yield _INVOKE.format(endpoint=plan.endpoint.name)


def _unless_there(look: str, make: str) -> str:
    return f"az ml {look} --output none 2>/dev/null ||\n  az ml {make}"


def _model_step(model: ModelFiles) -> str:
    name, version = model.entity.name, model.entity.version
    step = _unless_there(
        f"model show --name {name} --version {version}", f"model create --file {model_file(model)}"
    )
    return (
        step
        if model.source is not None
        else f"# Its files were left out: put them in their place first.\n{step}"
    )


def _endpoint_steps(plan: Plan) -> Iterator[str]:
    look = f"az ml batch-endpoint show --name {plan.endpoint.name} --output none 2>/dev/null ||"
    if _default(plan) is None:
        yield f"{look}\n  az ml batch-endpoint create --file {ENDPOINT}"
        return
    yield "# An endpoint cannot name a deployment that is not there yet: the default one is set with that."
    yield 'without_default=$(mktemp "${TMPDIR:-/tmp}/endpoint.XXXXXX")'
    yield "trap 'rm -f \"$without_default\"' EXIT"
    yield f"sed '/^defaults:/,$d' {ENDPOINT} > \"$without_default\""
    yield f'{look}\n  az ml batch-endpoint create --file "$without_default"'


def _deployment_step(deployment: DeploymentPlan, *, is_default: bool) -> str:
    step = f"az ml batch-deployment create --file {deployment_file(deployment)}"
    for name in _settable(deployment):
        step += f' \\\n  --set environment_variables.{name}="${{{_shell_name(deployment, name)}}}"'
    return step + (" \\\n  --set-default" if is_default else "")


def _default(plan: Plan) -> str | None:
    return plan.endpoint.defaults.deployment_name


def _asks(deployment: DeploymentPlan) -> Iterator[str]:
    for name in _settable(deployment):
        shell_name = _shell_name(deployment, name)
        yield f': "${{{shell_name}:?is not set: the value of {name} for the deployment {deployment.name}}}"'
    for name in deployment.record.variables:
        if not _NAME.fullmatch(name):
            yield f"# {shlex.quote(name)} cannot be set from here: write its value into {deployment_file(deployment)}."


def _settable(deployment: DeploymentPlan) -> list[str]:
    return [name for name in deployment.record.variables if _NAME.fullmatch(name)]


def _shell_name(deployment: DeploymentPlan, name: str) -> str:
    """Return the variable of the script that holds a value; not just `name`, which may be PATH."""
    return f"{deployment.name.upper().replace('-', '_')}_{name}"


_HEAD = """\
#!/usr/bin/env bash
# Puts the batch endpoint {endpoint} into the workspace of Azure Machine Learning that `az` is set to:
#   az login
#   az extension add --name ml
#   az configure --defaults group=RESOURCE_GROUP workspace=WORKSPACE
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
"""
_INVOKE = """\
cat <<'NEXT'
Next:
  az ml batch-endpoint invoke --name {endpoint} --input ./data --input-type uri_folder --query name --output tsv
  az ml job stream --name JOB
  az ml job download --name JOB --output-name score
NEXT"""
_README = """\
# The batch endpoint {endpoint}

Written by `batchmagic export`. `./deploy.sh` puts it into the workspace of Azure Machine Learning that `az` is set to;
`batchmagic apply --file` and the loaders of batchmagic read the same files.

Settings stand here with the values that are in force, because Azure has other defaults. The label `batchmagic.defaults`
names those that nobody gave: batchmagic takes them for not given as long as they are unchanged. Settings that Azure does not
have are labels too, `batchmagic.…`.

What to know:

{notes}
"""
