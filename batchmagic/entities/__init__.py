"""What a person defines: endpoints, deployments, models, environments, data, computes, and the jobs they lead to."""

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
