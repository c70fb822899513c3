"""What `azure.install()` and `uninstall()` do in a fresh process; prints one JSON line."""

from __future__ import annotations

import importlib
import json
import sys


def outcome(statement: str) -> str:
    """Where what the statement imports comes from, or the class of its error."""
    names: dict[str, object] = {}
    try:
        exec(statement, names)
    except ImportError as error:
        return f"{type(error).__name__}: {error}"
    value = next(value for name, value in names.items() if name != "__builtins__")
    return getattr(value, "__module__", None) or type(value).__name__


STATEMENTS = (
    "from azure.ai.ml import MLClient",
    "from azure.ai.ml.entities import BatchEndpoint",
    "from azure.ai.ml.constants import AssetTypes",
    "from azure.ai.ml.exceptions import JobException",
    "from azure.ai.ml.operations import JobOperations",
    "from azure.identity import ClientSecretCredential",
    "from azure.core.exceptions import HttpResponseError",
    "from azure.core.credentials import AccessToken",
    "from azure.ai.ml.entities import ManagedOnlineEndpoint",
    "import azure.ai.ml.automl",
    "from azure.ai.ml import command",
)


def outcomes() -> dict[str, str]:
    return {statement: outcome(statement) for statement in STATEMENTS}


def caught() -> list[str]:
    """Under which of Azure's names an error of ours is caught."""
    from batchmagic import errors  # noqa: PLC0415

    azure = importlib.import_module("azure.core.exceptions")
    found = set()
    for ours in (
        errors.ResourceNotFoundError(kind="job", name="x"),
        errors.UsageError("no"),
        errors.JobException("no"),
    ):
        for name in ("ResourceNotFoundError", "HttpResponseError", "AzureError"):
            if isinstance(ours, getattr(azure, name)):
                found.add(f"{type(ours).__name__} as {name}")
        assert str(ours), ours
        assert ours.code
    return sorted(found)


if __name__ == "__main__":
    from batchmagic import azure

    if "before" in sys.argv:
        importlib.import_module("azure.ai.ml.entities")
    before = outcomes()
    azure.install()
    azure.install()
    during, errors = outcomes(), caught()
    azure.uninstall()
    azure.uninstall()
    left = [
        name
        for name in sys.modules
        if name.startswith("azure") and type(sys.modules[name]).__name__ == "_Module"
    ]
    print(
        json.dumps({"before": before, "during": during, "caught": errors, "after": outcomes(), "left": left})
    )
