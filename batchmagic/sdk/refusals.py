"""What Azure's package offers beside batch endpoints, and why it is refused here: one table for code and documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from batchmagic.errors import AttributeNotSupported

_BATCH = "it serves batch endpoints only"
_REGISTRY = "there is no registry to share with"
_CLOUD = "there is no cloud resource behind it"
_FOLDER = "the workspace is a folder, made by the first command that writes"
_STORE = "the workspace has one datastore, a folder of its own"
_MOUNT = "local data is read where it is"
_SCALES = "instances come with work and leave when they are idle"

_POLLER = "there is no service to poll: an operation ends here, or in its job"

REFUSED: dict[str, dict[str, str]] = {
    "MLClient": {
        "azure_openai_deployments": _BATCH,
        "capability_hosts": _CLOUD,
        "components": "it runs model deployments, no pipelines",
        "connections": _CLOUD,
        "deployment_templates": _BATCH,
        "evaluators": _BATCH,
        "feature_sets": _BATCH,
        "feature_store_entities": _BATCH,
        "feature_stores": _BATCH,
        "indexes": _BATCH,
        "marketplace_subscriptions": _CLOUD,
        "online_deployments": _BATCH,
        "online_endpoints": _BATCH,
        "registries": _REGISTRY,
        "schedules": "cron, a systemd timer or Airflow calls `batchmagic invoke`",
        "serverless_endpoints": _BATCH,
        "workspace_outbound_rules": _CLOUD,
    },
    "JobOperations": {
        "create_or_update": "a batch job comes from `batch_endpoints.invoke`",
        "validate": "a batch job comes from `batch_endpoints.invoke`, which checks everything before it writes",
    },
    "ModelOperations": {"package": "scoring runs in the Python that deploys", "share": _REGISTRY},
    "EnvironmentOperations": {"share": _REGISTRY},
    "DataOperations": {
        "import_data": _CLOUD,
        "list_materialization_status": _CLOUD,
        "mount": _MOUNT,
        "share": _REGISTRY,
    },
    "ComputeOperations": {
        "begin_attach": "a compute is made by name; nothing is attached",
        "begin_restart": _SCALES,
        "begin_stop": _SCALES,
        "enable_sso": _CLOUD,
        "list_nodes": "instances are processes of this machine, which its job's overview names",
        "list_sizes": _CLOUD,
        "list_usage": _CLOUD,
    },
    "DatastoreOperations": {"create_or_update": _STORE, "delete": _STORE, "mount": _MOUNT},
    "LROPoller": {
        "continuation_token": _POLLER,
        "from_continuation_token": _POLLER,
        "polling_method": _POLLER,
    },
    "WorkspaceOperations": {
        "begin_create": _FOLDER,
        "begin_delete": "remove its folder",
        "begin_diagnose": "`batchmagic doctor` does that",
        "begin_provision_network": _CLOUD,
        "begin_sync_keys": _CLOUD,
        "begin_update": _FOLDER,
        "get_keys": _CLOUD,
    },
}
"""Class to attribute to reason."""


class Refusing:
    """Says why, when an attribute is asked for that only Azure's class of the same name has."""

    if not TYPE_CHECKING:  # a typing tool shall go on knowing what there is

        def __getattr__(self, name: str) -> NoReturn:
            kind = type(self).__name__
            reason = REFUSED.get(kind, {}).get(name)
            if reason is None:
                raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=self)
            raise AttributeNotSupported(name=f"{kind}.{name}", reason=reason, hint="See docs/azure.md.")
