"""Which names the modules of Azure's packages have here, and where they come from."""

from __future__ import annotations

import importlib
from typing import Any

from batchmagic.errors import ModuleNotSupported

_OPERATIONS = {
    "BatchDeploymentOperations": "deployments",
    "BatchEndpointOperations": "endpoints",
    "ComputeOperations": "compute",
    "DataOperations": "assets",
    "DatastoreOperations": "workspaces",
    "EnvironmentOperations": "assets",
    "JobOperations": "jobs",
    "ModelOperations": "assets",
    "WorkspaceOperations": "workspaces",
}
_ERRORS = {
    "azure.ai.ml.exceptions": {
        "AssetException": "UsageError",
        "AssetPathException": "UsageError",
        "DeploymentException": "UsageError",
        "EmptyDirectoryError": "InputError",
        "JobException": "JobException",
        "MlException": "BatchMagicError",
        "ModelException": "UsageError",
        "UserErrorException": "UsageError",
        "ValidationException": "ValidationException",
    },
    "azure.core.exceptions": {
        "AzureError": "BatchMagicError",
        "HttpResponseError": "UsageError",
        "ResourceExistsError": "ResourceExistsError",
        "ResourceNotFoundError": "ResourceNotFoundError",
    },
}
OWN = ("azure.ai.ml", "azure.identity")
"""These modules, and all below them, are ours while Azure's names are."""
FILLED = ("azure", "azure.ai", "azure.core", "azure.core.credentials", "azure.core.exceptions")
"""These are Azure's where they are installed; where not, they exist so that what is ours can be found."""


def home_of(module: str, name: str) -> tuple[str, str] | None:
    """Return the module of this package, and the name in it, that ``module.name`` of Azure's packages means."""
    if module in _ERRORS:
        found = _ERRORS[module].get(name)
        return None if found is None else ("batchmagic.errors", found)
    if module == "azure.ai.ml.operations":
        return (f"batchmagic.sdk.{_OPERATIONS[name]}", name) if name in _OPERATIONS else None
    if module == "azure.core.credentials":
        return ("batchmagic.azure.identity", name) if name == "AccessToken" else None
    home = {
        "azure.ai.ml": "batchmagic",
        "azure.ai.ml.constants": "batchmagic.constants",
        "azure.ai.ml.entities": "batchmagic.entities",
        "azure.identity": "batchmagic.azure.identity",
    }.get(module)
    return None if home is None or name not in names_of(module) else (home, name)


def names_of(module: str) -> tuple[str, ...]:
    """Return the public names that a module of Azure's packages has here."""
    if module in _ERRORS:
        return tuple(_ERRORS[module])
    if module == "azure.ai.ml.operations":
        return tuple(_OPERATIONS)
    if module == "azure.core.credentials":
        return ("AccessToken",)
    if module == "azure.identity":
        own = importlib.import_module("batchmagic.azure.identity")
        return tuple(
            name
            for name, value in vars(own).items()
            if getattr(value, "__module__", "") == own.__name__ and not name.startswith("_")
        )
    home = {"azure.ai.ml": "batchmagic", "azure.ai.ml.constants": "batchmagic.constants"}
    found = importlib.import_module(home.get(module, "batchmagic.entities"))
    return tuple(name for name in found.__all__ if not name.startswith("_"))


MODULES = (
    "azure.ai.ml",
    "azure.ai.ml.constants",
    "azure.ai.ml.entities",
    "azure.ai.ml.exceptions",
    "azure.ai.ml.operations",
    "azure.identity",
)
"""The modules of `OWN` that there are."""


def value_of(module: str, name: str) -> Any:
    """Return what ``module.name`` is here.

    Raises
    ------
    AttributeError
        If no module of Azure's has such a name.
    ModuleNotSupported
        If only Azure's has.
    """
    home = home_of(module, name)
    if home is not None:
        return getattr(importlib.import_module(home[0]), home[1])
    if name.startswith("_"):
        raise AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    raise refusal(f"{module}.{name}")


def refusal(name: str) -> ModuleNotSupported:
    """Return the error that a module, or a name in one, means nothing here."""
    return ModuleNotSupported(
        name=name,
        reason="it serves batch endpoints only",
        hint="`%batch azure off` gives Azure's own package back; docs/azure.md lists what there is.",
    )
