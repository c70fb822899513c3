"""What a person defines: endpoints, deployments, models, environments, data, computes, and the jobs they lead to.

The names below are loaded on first use: what only asks for the states of a job does without Pydantic.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchmagic.entities.assets import BuildContext, Data, Environment, Model
    from batchmagic.entities.base import CreationContext, Entity, Origin, Resource, origin_of, stamp
    from batchmagic.entities.compute import AmlCompute
    from batchmagic.entities.deployment import BatchDeployment, ModelBatchDeployment
    from batchmagic.entities.deployment_settings import (
        BatchRetrySettings,
        CodeConfiguration,
        ModelBatchDeploymentSettings,
        ResourceConfiguration,
    )
    from batchmagic.entities.endpoint import BatchEndpoint, EndpointDefaults
    from batchmagic.entities.job import BatchJob, Job
    from batchmagic.entities.listing import Listing
    from batchmagic.entities.transfer import Input, Output

_HOMES = {
    "assets": ("BuildContext", "Data", "Environment", "Model"),
    "base": ("CreationContext", "Entity", "Origin", "Resource", "origin_of", "stamp"),
    "compute": ("AmlCompute",),
    "deployment": ("BatchDeployment", "ModelBatchDeployment"),
    "deployment_settings": (
        "BatchRetrySettings",
        "CodeConfiguration",
        "ModelBatchDeploymentSettings",
        "ResourceConfiguration",
    ),
    "endpoint": ("BatchEndpoint", "EndpointDefaults"),
    "job": ("BatchJob", "Job"),
    "listing": ("Listing",),
    "transfer": ("Input", "Output"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "AmlCompute",
    "BatchDeployment",
    "BatchEndpoint",
    "BatchJob",
    "BatchRetrySettings",
    "BuildContext",
    "CodeConfiguration",
    "CreationContext",
    "Data",
    "EndpointDefaults",
    "Entity",
    "Environment",
    "Input",
    "Job",
    "Listing",
    "Model",
    "ModelBatchDeployment",
    "ModelBatchDeploymentSettings",
    "Origin",
    "Output",
    "Resource",
    "ResourceConfiguration",
    "origin_of",
    "stamp",
]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'batchmagic.entities' has no attribute {name!r}")
    found = getattr(importlib.import_module(f"batchmagic.entities.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
