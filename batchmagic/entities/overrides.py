"""``params_override``: values that replace those of a definition, by dotted keys."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from batchmagic.entities.unset import is_given

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_DRAWERS = ("settings", "resources", "retry_settings")
_FREE = frozenset({"environment_variables", "tags", "properties"})


def overridden(values: Mapping[str, Any], overrides: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a copy of `values` with every override in its place; of two, the later one wins.

    The same setting may stand at several places of a deployment (``timeout``, ``retry_settings.timeout``,
    ``settings.retry_settings.timeout``); an override replaces it wherever it stands.
    """
    result = deepcopy(dict(values))
    for mapping in overrides:
        for key, value in mapping.items():
            _put(result, key.split("."), value)
    return result


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    *drawers, leaf = path
    is_given(values, leaf if all(drawer in _DRAWERS for drawer in drawers) else path[0])
    if all(drawer in _DRAWERS for drawer in drawers):
        _forget(values, leaf)
    if drawers[:1] == ["properties"] or drawers[1:2] == ["properties"]:
        # The keys of properties have dots of their own.
        cut = drawers.index("properties") + 1
        drawers, leaf = path[:cut], ".".join(path[cut:])
    target = values
    for drawer in drawers:
        if not isinstance(target.get(drawer), dict):
            target[drawer] = {}
        target = target[drawer]
    target[leaf] = value


def _forget(values: dict[str, Any], leaf: str) -> None:
    if leaf in _FREE | {"name"}:
        return
    for holder in (values, *(values.get(drawer) for drawer in _DRAWERS)):
        if isinstance(holder, dict):
            holder.pop(leaf, None)
            inner = holder.get("retry_settings")
            if isinstance(inner, dict):
                inner.pop(leaf, None)
    properties = values.get("properties")
    if isinstance(properties, dict):
        properties.pop(f"batchmagic.{leaf}", None)
