"""Taking credentials out of URIs, wherever they stand in a text."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

HIDDEN = "********"
"""Stands in a URI where a credential was."""

_URI = re.compile(r"\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s\"'<>]+")
_TELLING = re.compile(r"sig|token|key|secret|passw|pwd|pass$|cred|auth|^code$|assertion|^sas", re.IGNORECASE)
# Of an address that has lost its beginning.
_SIGNATURE = re.compile(r"([?&;]sig=)[^&\s\"'<>]+", re.IGNORECASE)
# In these the part before the @ is a container, not a user.
_CONTAINERS = frozenset({"abfs", "abfss", "wasb", "wasbs", "azureml"})


def redact_uris(text: str) -> str:
    """Return `text` with the credentials of every URI in it replaced by a placeholder."""
    return _SIGNATURE.sub(rf"\1{HIDDEN}", _URI.sub(lambda found: _redact(found.group()), text))


def _redact(uri: str) -> str:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return f"{uri.partition('://')[0]}://{HIDDEN}"
    shown = parts._replace(
        netloc=_redact_user(parts.scheme, parts.netloc),
        query=_redact_query(parts.query),
        fragment=_redact_query(parts.fragment),
    )
    # Put together again, some lose a slash: sqlite:////home/me/mlflow.db
    return uri if shown == parts else urlunsplit(shown)


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
