"""Taking values and credentials out of what goes to the database."""

from __future__ import annotations

from typing import Any

from batchmagic.redaction import HIDDEN, redact_uris

__all__ = ["HIDDEN", "redact", "redact_uris"]

_VARIABLES = "environment_variables"


def redact(value: Any) -> Any:
    """Return the JSON `value` without values of environment variables and without credentials in URIs."""
    if isinstance(value, str):
        return redact_uris(value)
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    if isinstance(value, dict):
        return {key: _redact_item(key, item) for key, item in value.items()}
    return value


def _redact_item(key: str, item: Any) -> Any:
    if key == _VARIABLES and isinstance(item, dict):
        return dict.fromkeys(item)  # None says that it is set
    return redact(item)
