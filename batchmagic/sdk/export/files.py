"""A plan as files in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.sdk.copies import copy_files
from batchmagic.sdk.export import definitions, script
from batchmagic.workspace.snapshot import CODE_IGNORED

if TYPE_CHECKING:
    from batchmagic.entities import Environment
    from batchmagic.sdk.export.gather import DeploymentPlan, ModelFiles, Plan

_EXECUTABLE = 0o755


def write(plan: Plan, folder: Path) -> tuple[str, ...]:
    """Write everything that the plan names into the empty `folder`; return the names of definitions and scripts."""
    texts: dict[str, str] = {}
    for name, compute in plan.computes.items():
        texts[script.compute_file(name)] = definitions.compute_text(name, compute)
    for model in plan.models:
        texts[script.model_file(model)] = _model(model, folder)
    for environment in plan.environments:
        texts[script.environment_file(environment)] = _environment(environment, folder)
    texts[script.ENDPOINT] = definitions.endpoint_text(plan.endpoint)
    for deployment in plan.deployments:
        texts[script.deployment_file(deployment)] = _deployment(deployment, folder)
    texts[script.SCRIPT] = script.deploy_script(plan)
    texts["README.md"] = script.readme(plan)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (folder / script.SCRIPT).chmod(_EXECUTABLE)
    return tuple(texts)


def _model(model: ModelFiles, folder: Path) -> str:
    child = Path(str(model.entity.path)).name
    if model.source is not None:
        copy_files(model.source, (folder / script.model_file(model)).parent / definitions.FILES / child)
    return definitions.model_text(model.entity, child, left_out=model.source is None)


def _environment(environment: Environment, folder: Path) -> str:
    if definitions.has_build_folder(environment) and environment.build is not None:
        target = (folder / script.environment_file(environment)).parent / definitions.BUILD
        copy_files(Path(str(environment.build.path)), target)
    return definitions.environment_text(environment)


def _deployment(deployment: DeploymentPlan, folder: Path) -> str:
    if deployment.code is not None:
        # Scoring leaves compiled modules in the snapshot.
        target = (folder / script.deployment_file(deployment)).parent / definitions.CODE
        copy_files(deployment.code, target, ignored=CODE_IGNORED)
    return definitions.deployment_text(deployment)
