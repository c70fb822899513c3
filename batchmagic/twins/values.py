"""Values of a document: as JSON has them, as one line of text, and cut to what a notebook should carry."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from batchmagic.redaction import redact_uris
from batchmagic.words import date_text

LIMIT = 10_000
"""Bytes that a document may have as JSON."""
LONGEST = 400
"""Characters of one text that are shown."""

# Control characters, and those that turn the direction of what follows.
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_LISTS = 100
_STEPS = (LONGEST, 200, 80, 30)


def plain(value: Any) -> Any:
    """Return `value` as JSON can write it, without the credentials of URIs in it."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int):
        return value
    # A file's name may hold bytes that are no text, which JSON cannot carry.
    text = str(value).encode("utf-8", "replace").decode()
    return redact_uris(text) if "://" in text else text


def clean(value: Any) -> str:
    """Return text as one line, without characters that would move what stands beside it."""
    return " ".join(_UNSEEN.sub(" ", str(plain(value))).split())


def cut(text: str, length: int = LONGEST) -> str:
    """Return `text`, with an ellipsis for what is longer than `length`."""
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def cell(value: Any) -> str:
    """Return `value` as the one line of a table's cell."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{clean(k)}={cell(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(cell(v) for v in value)
    return clean(value)


def moment(value: Any) -> datetime | None:
    """Return the time that a document has as text; None for what is none."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None


def when_text(value: Any) -> str:
    """Return a document's time for people, and nothing for none."""
    found = moment(value)
    return "" if found is None else date_text(found)


def compact(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return `document` as JSON of less than `LIMIT` bytes: long texts are cut, long lists end early."""
    found: dict[str, Any] = {}
    for longest in _STEPS:
        found = _shortened(plain(document), longest, _LISTS)
        if len(encoded(found)) < LIMIT:
            return found
    return _fewer(found)


def encoded(document: Mapping[str, Any]) -> bytes:
    """Return a document as it goes into a notebook."""
    return json.dumps(document, ensure_ascii=False).encode(errors="replace")


def _fewer(document: dict[str, Any]) -> dict[str, Any]:
    entries = _LISTS
    while entries and len(encoded(document)) >= LIMIT:
        entries = entries * 3 // 4
        document = _shortened(document, _STEPS[-1], entries)
    return document


def _shortened(value: Any, longest: int, entries: int) -> Any:
    if isinstance(value, dict):
        items = list(value.items())[: max(entries, 1)]
        return {cut(key, longest): _shortened(item, longest, entries) for key, item in items}
    if isinstance(value, list):
        return [_shortened(item, longest, entries) for item in value[:entries]]
    return cut(value, longest) if isinstance(value, str) else value
