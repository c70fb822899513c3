"""Taking values and credentials out of what goes to the database."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "********"
"""Stands in a URI where a credential was."""

_URI = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+")
_TELLING = re.compile(r"sig|token|key|secret|passw|pwd|pass$|cred|auth|^code$|assertion|^sas", re.IGNORECASE)
# In these the part before the @ is a container, not a user.
_CONTAINERS = frozenset({"abfs", "abfss", "wasb", "wasbs", "azureml"})
_VARIABLES = "environment_variables"


def redact_uris(text: str) -> str:
    """Return `text` with the credentials of every URI in it replaced by a placeholder."""
    return _URI.sub(lambda found: _redact(found.group()), text)


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


def _redact(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{uri.partition('://')[0]}://{HIDDEN}"
    return urlunsplit(
        parts._replace(
            netloc=_redact_user(parts.scheme, parts.netloc),
            query=_redact_query(parts.query),
            fragment=_redact_query(parts.fragment),
        )
    )


def _redact_user(scheme: str, netloc: str) -> str:
    user, at, host = netloc.rpartition("@")
    if not at:
        return netloc
    name, colon, _ = user.partition(":")
    if scheme.lower() in _CONTAINERS:
        return f"{name}:{HIDDEN}@{host}" if colon else netloc
    return f"{HIDDEN}@{host}"


def _redact_query(query: str) -> str:
    def shown(item: str) -> str:
        name, equals, _ = item.partition("=")
        return f"{name}={HIDDEN}" if equals and _TELLING.search(name) else item

    return "&".join(shown(item) for item in query.split("&"))
