"""Keys and values that a YAML cell may go on with, read from the JSON Schema of its kind."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from batchmagic.entities.schema import schema_of

if TYPE_CHECKING:
    from collections.abc import Sequence

_KINDS = ("endpoint", "deployment", "compute", "model", "environment", "data")
_KIND = re.compile(r"^kind:\s*([a-z]+)\s*$")
_LINE = re.compile(r"(\s*)(?:-\s+)?([$\w.]+)\s*:\s*(.*)$")
_VALUE = re.compile(r"\s*(?:-\s+)?([$\w.]+)\s*:\s+(\S*)$")
_NEW = re.compile(r"(\s*)([$\w.]*)$")


def yaml_words(kind: str, body: str) -> tuple[str, list[str]] | None:
    """Return the piece of a word at the end of `body`, and what it can become.

    Parameters
    ----------
    kind
        Of the entity; of several documents (``apply``) each says its own.
    body
        The text of the cell up to the cursor.
    """
    *above, line = body.split("\n")
    document = _last_document(above)
    if kind not in _KINDS:
        kind = next((found[1] for text in document if (found := _KIND.match(text))), "")
        if kind not in _KINDS:
            return _kind_words(line)
    value = _VALUE.match(line)
    if value is not None:
        place = _place(document, indent=len(line) - len(line.lstrip()))
        return value[2], _values(_properties(kind, place).get(value[1], {}), value[2])
    new = _NEW.match(line)
    if new is None:
        return None
    place = _place(document, indent=len(new[1]))
    there = _siblings(document, indent=len(new[1]))
    known = _properties(kind, place)
    return new[2], [f"{key}: " for key in known if key.startswith(new[2]) and key not in there]


def _kind_words(line: str) -> tuple[str, list[str]] | None:
    value = _VALUE.match(line)
    if value is not None and value[1] == "kind":
        return value[2], [kind for kind in _KINDS if kind.startswith(value[2])]
    return (line, ["kind: "]) if "kind: ".startswith(line) else None


def _last_document(lines: Sequence[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        found = [] if line.startswith("---") else [*found, line]
    return found


def _place(lines: Sequence[str], *, indent: int) -> list[str]:
    """Return the keys that a line with this indent stands below."""
    path: list[str] = []
    for line in reversed(lines):
        found = _LINE.match(line)
        if found is not None and len(found[1]) < indent and not found[3]:
            path.insert(0, found[2])
            indent = len(found[1])
    return path


def _siblings(lines: Sequence[str], *, indent: int) -> set[str]:
    there: set[str] = set()
    for line in reversed(lines):
        found = _LINE.match(line)
        if found is None:
            continue
        if len(found[1]) < indent:
            break
        if len(found[1]) == indent:
            there.add(found[2])
    return there


@cache
def _schema(kind: str) -> dict[str, Any]:
    return schema_of(kind)


def _properties(kind: str, place: Sequence[str]) -> dict[str, Any]:
    schema = _schema(kind)
    here: dict[str, Any] = schema
    for key in place:
        here = _resolved(schema, here.get("properties", {}).get(key, {}))
    return {key: _resolved(schema, value) for key, value in here.get("properties", {}).items()}


def _resolved(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    for branch in (value, *value.get("anyOf", [])):
        reference = branch.get("$ref")
        if reference:
            found: dict[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
            return {**found, **value}
    return value


def _values(schema: dict[str, Any], fragment: str) -> list[str]:
    branches = (schema, *schema.get("anyOf", []))
    words = [str(word) for branch in branches for word in branch.get("enum", [])]
    words += [str(branch["const"]) for branch in branches if "const" in branch]
    if any(branch.get("type") == "boolean" for branch in branches):
        words += ["true", "false"]
    return [word for word in dict.fromkeys(words) if word.startswith(fragment)]
