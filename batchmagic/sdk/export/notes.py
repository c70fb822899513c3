"""What a reader of an export has to know: where Azure lacks something, or does it otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.deployment import OWN_SETTINGS
from batchmagic.entities.unset import LOCAL_COMPUTE
from batchmagic.sdk.export.definitions import processes_in_azure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from batchmagic.entities import Environment
    from batchmagic.sdk.export.gather import DeploymentPlan, Plan

_OWN = {
    "output_format": "the rows come out in Azure's own form: separated by spaces, without a header",
    "isolate_failures": "one bad file fails its whole mini-batch",
    "fail_fast": "a job in which nothing succeeds goes on to its end",
    "memory_per_slot": "no process is ended for the memory that it uses",
}


def of_plan(plan: Plan, told: Sequence[str]) -> Iterator[str]:
    """Yield the notes on a plan, after those that were made on the way."""
    yield from dict.fromkeys(told)
    for deployment in plan.deployments:
        yield from _of_deployment(deployment)
    for name, compute in plan.computes.items():
        if compute.name == LOCAL_COMPUTE:
            yield (
                f"The compute `{LOCAL_COMPUTE}` goes out as the cluster `{name}`: Azure means something else by `{LOCAL_COMPUTE}`."
            )
        if compute.size is None:
            yield f"The compute `{name}` names no size: Azure takes STANDARD_DS3_V2."
    for model in plan.models:
        if model.source is None:
            yield f"The files of the model `{model.entity.name}`, version {model.entity.version}, were left out."
    if plan.endpoint.auth_mode != "aad_token":
        yield f"Azure's batch endpoints know only auth_mode aad_token, not {plan.endpoint.auth_mode}."


def curated(deployment: str, reference: str) -> str:
    """Return the note on an environment of a registry."""
    return (
        f"`{deployment}` uses {reference}: Azure does not support curated environments for batch deployments."
    )


def lacking(environment: str, packages: Iterable[str]) -> str:
    """Return the note on an environment in which Azure's runtime cannot work."""
    return (
        f"The environment `{environment}` does not name {' and '.join(packages)}, which Azure's batch runtime needs: "
        "add it to its conda file."
    )


def frozen(deployment: str, environment: Environment, missing: Sequence[str]) -> str:
    """Return the note on an environment that was made of the Python of a deployment."""
    text = (
        f"`{deployment}` has no environment, and Azure needs one: `{environment.name}` has its Python and what its "
        "script imports. Add what only its model needs."
    )
    return f"{text} Not installed here, so not in it: {', '.join(missing)}." if missing else text


def _of_deployment(deployment: DeploymentPlan) -> Iterator[str]:
    entity = deployment.record.entity
    for name in OWN_SETTINGS:
        keeps_rows = entity.settings.output_action != BatchDeploymentOutputAction.SUMMARY_ONLY
        if getattr(entity.settings, name) is not None and (keeps_rows or name != "output_format"):
            yield f"`{deployment.name}` sets {name}, which Azure does not have: there, {_OWN[name]}."
    if entity.settings.max_concurrency_per_instance is None:
        yield (
            f"`{deployment.name}` starts as many processes here as there are cores. Azure needs a number, "
            f"{processes_in_azure()} for now: set max_concurrency_per_instance to the cores of the cluster's machines."
        )
    if deployment.record.model_name is None:
        yield f"`{deployment.name}` has no model, and Azure needs one: register any file and name it."
    if deployment.record.variables:
        names = ", ".join(deployment.record.variables)
        yield f"The values of {names} of `{deployment.name}` were not written; `deploy.sh` asks for them."
