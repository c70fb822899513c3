"""What ``params_override`` and ``--set`` may say beyond settings, and where each of it belongs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchmagic.entities.effective import split_overrides
from batchmagic.entities.yaml_source import read_scalar
from batchmagic.errors import UnknownField, ValidationException

if TYPE_CHECKING:
    from collections.abc import Iterable

# Azure's callers send them; they mean nothing on this machine.
_IGNORED = frozenset(
    {"compute.instance_type", "resources.instance_type", "compute.is_local", "compute.location"}
)
_HOMES = {
    "compute": "compute",
    "compute.target": "compute",
    "job_name": "job_name",
    "name": "job_name",
    "experiment_name": "experiment_name",
    "input_data": "inputs",
    "inputs": "inputs",
    "dataset": "input",
    "output_data": "outputs",
    "outputs": "outputs",
    "output_dataset.datastore_id": "datastore",
    "output_dataset.path": "output_folder",
}
_TEXTS = frozenset({"environment_variables", "tags", "properties"})
_NESTED = frozenset({"inputs", "outputs", "input_data", "output_data"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Overrides:
    """The overrides of one invoke.

    Attributes
    ----------
    settings
        Name of the setting to value.
    other
        ``compute``, ``job_name``, ``experiment_name``, ``input``, ``inputs``, ``outputs``, ``output_folder``
        and ``datastore``, where given.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)


def take_apart(params: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None) -> Overrides:
    """Return the overrides, each in the place that it belongs to.

    Raises
    ------
    ValidationException
        If they are no mappings.
    UnknownField
        For a key that nothing here reads.
    """
    given = [params] if isinstance(params, Mapping) else list(params or ())
    for entry in given:
        if not isinstance(entry, Mapping):
            raise ValidationException(
                field="params_override",
                value=entry,
                reason="is not a mapping",
                hint='Use [{"mini_batch_size": 20}].',
            )
    settings, others = split_overrides(given)
    found = Overrides(settings=settings)
    for key, value in others.items():
        _place(found, key, value)
    return found


def _place(found: Overrides, key: str, value: Any) -> None:
    head, _, rest = key.partition(".")
    if key in _IGNORED:
        return
    if head == "properties":
        found.properties.update(
            {rest: str(value)} if rest else {str(k): str(v) for k, v in dict(value).items()}
        )
    elif head in _NESTED and rest:
        _deep(found.other.setdefault(_HOMES[head], {}), rest.split("."), value)
    elif key == "output_dataset" and hasattr(value, "items"):
        for name, item in value.items():
            _place(found, f"{key}.{name}", item)
    elif key in _HOMES:
        found.other[_HOMES[key]] = value
    else:
        known = ["mini_batch_size", "instance_count", "retry_settings.timeout", "error_threshold", *_HOMES]
        raise UnknownField(field=key, owner="invoke", known=known)


def _deep(into: dict[str, Any], path: list[str], value: Any) -> None:
    for part in path[:-1]:
        into = into.setdefault(part, {})
    into[path[-1]] = value


def split_assignments(texts: Iterable[str]) -> dict[str, Any]:
    """Return ``{"a.b": "c"}`` for ``a.b=c``; a value is what it is in YAML: ``20`` a number, ``null`` nothing.

    Values of variables, tags and properties are text as it stands.

    Raises
    ------
    ValidationException
        For a word without ``=``.
    """
    found: dict[str, Any] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise ValidationException(
                field="--set",
                value=text,
                reason="has no KEY=VALUE",
                hint="Write for example --set mini_batch_size=20.",
            )
        drawers = key.strip().split(".")[:-1]
        found[key.strip()] = value if _TEXTS.intersection(drawers) else read_scalar(value)
    return found
