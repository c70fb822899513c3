"""What an export writes although nobody gave it: while it stands unchanged, it counts as not given.

Azure has other defaults, and needs what is optional here. So an export writes the value that is in force, and names the
key with that value in a label: ``batchmagic.defaults: mini_batch_size=10 timeout=300``. Here the key then means what it
meant before the export; a value that somebody has changed since is one that was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchmagic.entities.fields import as_text, compute_name, squeezed
from batchmagic.entities.references import parse_reference
from batchmagic.errors import ValidationException

DEFAULTS = "batchmagic.defaults"
LOCAL_COMPUTE = "local"
"""The compute of whatever names none; Azure takes the word for something else."""
_HOLDERS = ("properties", "tags")
_NAMED_LOCAL = frozenset({"compute", "name"})
_DRAWERS = ("settings", "resources", "retry_settings")


def label_of(written: Mapping[str, Any]) -> str:
    """Return the label that says which keys were written with which values."""
    return " ".join(f"{key}={as_text(value)}" for key, value in sorted(written.items()))


def without_unset(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a definition without those that an export has added, and without the label.

    A compute that the export had to give a name is ``local`` again.
    """
    result = dict(values)
    for holder in _HOLDERS:
        labels = result.get(holder)
        if isinstance(labels, Mapping) and DEFAULTS in labels:
            result[holder] = {key: value for key, value in labels.items() if key != DEFAULTS}
            for key, written in _keys(holder, labels[DEFAULTS]):
                result = _removed(result, key, written)
    for key in _NAMED_LOCAL & (values.keys() - result.keys()):
        result[key] = LOCAL_COMPUTE
    return result


def is_given(values: Mapping[str, Any], key: str) -> None:
    """Take a key that gets a value now out of the labels of `values`, in place."""
    for holder in _HOLDERS:
        labels = values.get(holder)
        if isinstance(labels, dict) and DEFAULTS in labels:
            left = dict(pair for pair in _keys(holder, labels[DEFAULTS]) if pair[0] != key)
            labels[DEFAULTS] = label_of(left)


def _keys(holder: str, label: Any) -> list[tuple[str, str]]:
    pairs = [word.partition("=") for word in str(label).split()]
    if any(not key or not equals for key, equals, _ in pairs):
        raise ValidationException(
            field=f"{holder}.{DEFAULTS}",
            value=label,
            reason="is no list of KEY=VALUE",
            hint="An export writes it; leave it out otherwise.",
        )
    return [(key, value) for key, _, value in pairs]


def _removed(values: dict[str, Any], key: str, written: str) -> dict[str, Any]:
    result = dict(values)
    if key in result and _same(key, result[key], written):
        del result[key]
    for drawer in _DRAWERS:
        if isinstance(result.get(drawer), Mapping):
            result[drawer] = _removed(dict(result[drawer]), key, written)
    return result


def _same(key: str, value: Any, written: str) -> bool:
    text = as_text(value)
    if not isinstance(text, str):
        return False
    if key == "compute":
        return bool(compute_name(text) == written)
    if key == "environment":
        here, there = parse_reference(text), parse_reference(written)
        return (here.name, here.version) == (there.name, there.version)
    return squeezed(text) == squeezed(written)
