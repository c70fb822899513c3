"""Entity objects of the real ``azure-ai-ml`` package, accepted wherever ours are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

_HOME = "azure.ai.ml."


def is_foreign(value: object) -> bool:
    """Return whether `value` is an object of Azure's package (not one of its enumerations, which are text)."""
    return type(value).__module__.startswith(_HOME) and not isinstance(value, str)


def taken_over(value: object, keys: Iterable[str]) -> dict[str, Any]:
    """Return what an object of Azure's package says about `keys`; what it says nothing about is left out.

    Its attributes are read, not what it would write to YAML: that loses values which Azure's own constructors
    accept.
    """
    found = {key: getattr(value, key, None) for key in keys}
    return {key: item for key, item in found.items() if item is not None and not _is_empty(item)}


def _is_empty(item: object) -> bool:
    # Of the type first: some of Azure's objects claim to equal anything.
    return isinstance(item, dict) and not item
