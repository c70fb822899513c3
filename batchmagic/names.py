"""The rules for names, and the only place that joins a path from outside."""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.errors import InvalidName, UnsafePath

if TYPE_CHECKING:
    from collections.abc import Iterable

# Azure's rule for endpoints and deployments; the service checks the length as well.
_ENDPOINT = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?")
_ASSET = re.compile(r"[a-zA-Z0-9][-._a-zA-Z0-9]{0,254}")
_COMPUTE = re.compile(r"[a-zA-Z]([-a-zA-Z0-9]{0,30}[a-zA-Z0-9])?")
_JOB = re.compile(r"[a-zA-Z0-9][-_a-zA-Z0-9]{0,254}")

_RULES = {
    "endpoint": (
        _ENDPOINT,
        "3 to 32 letters, digits and dashes, beginning with a letter and not ending with a dash",
    ),
    "deployment": (
        _ENDPOINT,
        "3 to 32 letters, digits and dashes, beginning with a letter and not ending with a dash",
    ),
    "compute": (
        _COMPUTE,
        "2 to 32 letters, digits and dashes, beginning with a letter and not ending with a dash",
    ),
    "job": (_JOB, "1 to 255 letters, digits, dashes and underscores, beginning with a letter or digit"),
}
_ASSET_RULE = (
    _ASSET,
    "1 to 255 letters, digits, dashes, dots and underscores, beginning with a letter or digit",
)
_LENGTHS = {"endpoint": (3, 32), "deployment": (3, 32), "compute": (2, 32)}


def check_name(kind: str, name: str) -> str:
    """Return `name`, which then obeys the rule for `kind`.

    Parameters
    ----------
    kind
        ``endpoint``, ``deployment``, ``compute``, ``job``, or an asset kind such as ``model``.
    name
        What the user gave.

    Raises
    ------
    InvalidName
        With the rule in words.

    Notes
    -----
    The rule for endpoints and deployments is Azure's: ``^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$``,
    3 to 32 characters.
    """
    pattern, rule = _RULES.get(kind, _ASSET_RULE)
    low, high = _LENGTHS.get(kind, (1, 255))
    if not isinstance(name, str) or not low <= len(name) <= high or not pattern.fullmatch(name):
        raise InvalidName(kind=kind, name=name, rule=rule)
    return name


def safe_join(base: Path, *parts: str) -> Path:
    """Return ``base/parts…``, which then lies inside `base` whatever the parts or symlinks say.

    Raises
    ------
    UnsafePath
        If a part is absolute, holds a NUL, half a character or ``..``, or the real path leaves `base`.
    """
    for part in parts:
        if (
            not _is_encodable(part)
            or "\0" in part
            or "\\" in part
            or Path(part).is_absolute()
            or ".." in Path(part).parts
        ):
            raise UnsafePath(path="/".join(parts))
    joined = base.joinpath(*parts)
    if not joined.resolve().is_relative_to(base.resolve()):
        raise UnsafePath(path="/".join(parts))
    return joined


def _is_encodable(text: str) -> bool:
    try:
        os.fsencode(text)
    except UnicodeEncodeError:
        return False
    return True


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that `word` was most likely meant to be, if one is near."""
    lowered = {k.lower(): k for k in known}
    found = difflib.get_close_matches(str(word).lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None
