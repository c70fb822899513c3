"""Addresses (URLs) taken apart so strictly that two programs cannot read one of them in two ways."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, unquote, urlsplit

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PLAIN_HOST = re.compile(r"[a-z0-9]([-a-z0-9_.]*[a-z0-9])?|\[[0-9a-f:.]+\]")
_PORTS = {"http": 80, "https": 443, "ftp": 21}
# In these the part before the @ is a container, not a user.
_CONTAINERS = frozenset({"abfs", "abfss", "wasb", "wasbs"})


def is_address(text: str) -> bool:
    """Return whether a text has the form of an address of something that is not a local file."""
    return _ADDRESS.match(text) is not None and not text.lower().startswith("file:")


@dataclass(frozen=True, slots=True)
class Address:
    """An address without user, password, query and fragment.

    Attributes
    ----------
    place
        Scheme, container, host and port, in lower case (a container as it is written); a default port is left out.
    parts
        The parts of its path, each decoded once; none is ``.`` or ``..`` or holds a slash.
    """

    place: str
    parts: tuple[str, ...]

    @classmethod
    def parsed(cls, text: str) -> Self | None:
        """Return the address that a text is; None where it is none, or can be read in more than one way."""
        if any(char in "\\ \x7f" or not char.isprintable() for char in text):
            return None
        try:
            split = urlsplit(text)
            host, port = (split.hostname or "").lower(), split.port
            parts = [unquote(part, errors="strict") for part in split.path.split("/")]
        except ValueError:
            return None
        place = _place(split.scheme.lower(), split.netloc, host, port)
        parts = [part for part in parts if part]
        odd = any(
            part in {".", ".."} or "/" in part or "\\" in part or not part.isprintable() for part in parts
        )
        return None if place is None or odd else cls(place, tuple(parts))

    def begins_with(self, prefix: Address) -> bool:
        """Return whether the address is the prefix, or lies below it."""
        return self.place == prefix.place and self.parts[: len(prefix.parts)] == prefix.parts

    def __str__(self) -> str:
        return f"{self.place}/{'/'.join(quote(part) for part in self.parts)}"


def _place(scheme: str, netloc: str, host: str, port: int | None) -> str | None:
    if not netloc.isascii():
        return None  # the small form of some letters is one of ASCII's
    user, at, _ = netloc.rpartition("@")
    bare = f"[{host}]" if ":" in host else host
    if not scheme or scheme == "file" or not _PLAIN_HOST.fullmatch(bare):
        return None
    if at and (scheme not in _CONTAINERS or not re.fullmatch(r"[-a-z0-9$]+", user, re.IGNORECASE)):
        return None
    shown = "" if port is None or port == _PORTS.get(scheme) else f":{port}"
    return f"{scheme}://{user}{at}{bare}{shown}"
