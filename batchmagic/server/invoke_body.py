"""The body of an invoke, as Azure's callers write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_invoke(body: Mapping[str, Any], *, deployment: str | None) -> dict[str, Any]:
    """Return the arguments of ``invoke`` that the body means."""
    properties = body.get("properties", {})
    inputs = {name: {"path": value.get("uri")} for name, value in properties.get("inputData", {}).items()}
    return {"inputs": inputs, "deployment_name": deployment}
