"""From what a deployment and an invoke give to the settings in force, which a job freezes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.deployment_settings import ModelBatchDeploymentSettings
from batchmagic.entities.settings import Settings
from batchmagic.errors import UnknownField, ValidationException

_RETRIES = frozenset({"max_retries", "timeout"})
_KNOWN = (
    frozenset(ModelBatchDeploymentSettings.model_fields) - {"retry_settings"} | _RETRIES | {"no_fail_fast"}
)
# Where Azure's dotted keys put the fields.
_DRAWERS = frozenset({"settings", "retry_settings", "compute", "resources"})
_VARIABLES = "environment_variables"

Overrides = Mapping[str, Any] | Iterable[Mapping[str, Any]]


def split_overrides(overrides: Overrides | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the overrides that are settings, by their fields' names, and all others as they were given.

    Parameters
    ----------
    overrides
        A mapping, or Azure's list of mappings, of which a later one wins. Keys are dotted or nested:
        ``compute.instance_count``, ``instance_count``, ``{"retry_settings": {"timeout": 5}}``,
        ``environment_variables.KEY``.
    """
    settings: dict[str, Any] = {}
    others: dict[str, Any] = {}
    given = [overrides] if isinstance(overrides, Mapping) else list(overrides or ())
    for mapping in given:
        for key, value in mapping.items():
            _sort_in(str(key), value, settings, others)
    return settings, others


def settings_in_force(given: ModelBatchDeploymentSettings, overrides: Overrides) -> Settings:
    """Return defaults, overlaid by what `given` has set, overlaid by `overrides`.

    Raises
    ------
    UnknownField
        For an override that is no setting.
    ValidationException
        For a value that its field cannot take.
    """
    changed, others = split_overrides(overrides)
    for key in others:
        raise UnknownField(field=key, owner="overrides", known=sorted(_KNOWN))
    values = {**_flat(given), **changed}
    values[_VARIABLES] = {**given.environment_variables, **(changed.get(_VARIABLES) or {})}
    if "output_file_name" not in changed and _keeps_no_rows(values.get("output_action")):
        values.pop("output_file_name", None)
    checked = _flat(
        ModelBatchDeploymentSettings.from_dict({k: v for k, v in values.items() if v is not None})
    )
    checked[_VARIABLES] = tuple(sorted(checked[_VARIABLES]))
    return Settings(**{name: value for name, value in checked.items() if value is not None})


def _flat(settings: ModelBatchDeploymentSettings) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in ModelBatchDeploymentSettings.model_fields}
    retries = values.pop("retry_settings")
    return {**values, "max_retries": retries.max_retries, "timeout": retries.timeout}


def _keeps_no_rows(action: object) -> bool:
    probe = ModelBatchDeploymentSettings.from_dict({"output_action": action})
    return probe.output_action == BatchDeploymentOutputAction.SUMMARY_ONLY


def _sort_in(key: str, value: Any, settings: dict[str, Any], others: dict[str, Any]) -> None:
    head, _, rest = key.partition(".")
    if head == _VARIABLES:
        found = {rest: value} if rest else value or {}
        if not isinstance(found, Mapping):
            raise ValidationException(field=_VARIABLES, value="***", reason="must be a mapping")
        settings[_VARIABLES] = {**settings.get(_VARIABLES, {}), **found}
    elif head in _DRAWERS and rest:
        inner: dict[str, Any] = {}
        _sort_in(rest, value, settings, inner)
        others.update({f"{head}.{name}": item for name, item in inner.items()})
    elif head in _DRAWERS and isinstance(value, Mapping):
        for name, item in value.items():
            _sort_in(f"{head}.{name}", item, settings, others)
    elif key in _KNOWN:
        settings[key] = value
    else:
        others[key] = value
