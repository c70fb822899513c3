"""Which names the modules of Azure's packages have here, and where they come from."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

from batchmagic.errors import ModuleNotSupported

if TYPE_CHECKING:
    from types import ModuleType

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
_IDENTITY = "batchmagic.azure.identity"
_SAME = {
    "azure.ai.ml": "batchmagic",
    "azure.ai.ml.constants": "batchmagic.constants",
    "azure.ai.ml.entities": "batchmagic.entities",
    "azure.identity": _IDENTITY,
}
OWN = ("azure.ai.ml", "azure.identity")
"""These modules, and all below them, are ours while Azure's names are."""
FILLED = ("azure", "azure.ai", "azure.core", "azure.core.credentials", "azure.core.exceptions")
"""These are Azure's where they are installed; where not, they exist so that what is ours can be found."""


def home_of(module: str, name: str) -> tuple[str, str] | None:
    """Return the module of this package, and the name in it, that ``module.name`` of Azure's packages means."""
    return _homes(module).get(name)


def names_of(module: str) -> tuple[str, ...]:
    """Return the public names that a module of Azure's packages has here."""
    return tuple(_homes(module))


@functools.cache
def _homes(module: str) -> dict[str, tuple[str, str]]:
    """Return, for each name of a module of Azure's, the module of this package and the name in it."""
    if module in _ERRORS:
        return {name: ("batchmagic.errors", ours) for name, ours in _ERRORS[module].items()}
    if module == "azure.ai.ml.operations":
        return {name: (f"batchmagic.sdk.{home}", name) for name, home in _OPERATIONS.items()}
    if module == "azure.core.credentials":
        return {"AccessToken": (_IDENTITY, "AccessToken")}
    home = _SAME.get(module)
    if home is None:
        return {}
    found = importlib.import_module(home)
    public = _own_names(found) if home == _IDENTITY else found.__all__
    return {name: (home, name) for name in public if not name.startswith("_")}


def _own_names(module: ModuleType) -> list[str]:
    return [
        name for name, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__
    ]


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
