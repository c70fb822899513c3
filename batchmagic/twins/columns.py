"""What a list shows of each thing, and what a thing shows of itself: the same in HTML and in text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.twins import job_words as say
from batchmagic.twins.values import LIMIT, clean, cut, encoded, moment, plain, when_text
from batchmagic.words import clock, size_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MOST = 100
"""Items of a list that are drawn."""
_LONGEST = 80
_ASSET = ("name", "version", "type", "created_at", "description")
_COLUMNS: dict[str, tuple[str, ...]] = {
    "endpoint": ("name", "default", "deployments", "description"),
    "deployment": ("endpoint", "name", "version", "default", "model", "compute", "mini_batch_size"),
    "compute": ("name", "min_instances", "max_instances", "idle_time", "host", "running", "queued"),
    "model": _ASSET,
    "data": _ASSET,
    "environment": ("name", "version", "created_at", "description"),
    "workspace": ("workspace", "size", "endpoints", "deployments", "models", "jobs"),
    "errors": ("job", "error_kinds", "files_failed"),
}
_JOB = (
    "name", "status", "status_detail", "endpoint", "deployment", "progress", "created_at",
)  # fmt: skip
_COUNTERS = ("mini_batches", "completed", "failed", "files_failed", "rows", "seconds")
_UNSHOWN = frozenset({"kind", "next", "short_name", "example_input"})
_NO_ADDRESS = "none; `%batch serve` starts a server"


def singular(kind: str) -> str:
    """Return the kind of the items of a list."""
    return kind.removesuffix("-list")


def drawn(document: Mapping[str, Any]) -> tuple[list[Mapping[str, Any]], int]:
    """Return the items of a list that are drawn, and how many more there are."""
    items = list(document.get("items") or ())[:MOST]
    total = document.get("total")
    return items, max((len(document.get("items") or ()) if total is None else total) - len(items), 0)


def rows(kind: str, items: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each item, with the same columns; those that are empty in all rows are left out."""
    made = [_job_row(item) if kind == "job" else _row(kind, item) for item in items]
    used = [key for key in made[0] if any(row[key] not in (None, "", [], {}) for row in made)] if made else []
    return [{key: row[key] for key in used} for row in made]


def _row(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    return {_HEADINGS.get(key, key): _value(item, key) for key in _COLUMNS.get(kind, tuple(item))}


_HEADINGS = {"created_at": "created"}


def _value(item: Mapping[str, Any], key: str) -> Any:
    if key == "mini_batch_size" and key not in item:
        return (item.get("settings") or {}).get(key)
    return shown(key, item.get(key))


def _job_row(item: Mapping[str, Any]) -> dict[str, Any]:
    progress = say.progress_of(item)
    done, total = progress["completed"] + progress["failed"], progress["mini_batches"]
    return {
        "name": item.get("name"),
        "status": say.headline(item),
        "endpoint": say.where(item).replace(" / ", "/"),
        "mini-batches": f"{done:,}/{total:,}" if total else "",
        "rows": progress["rows"] if total else None,
        "took": clock(progress["seconds"]) if progress["seconds"] else "",
        "started": when_text(item.get("created_at")),
        "detail": "" if say.has_ended(item) else clean(item.get("status_detail") or ""),
    }


def shown(key: str, value: Any) -> Any:
    """Return a value as people read it: times of the clock, sizes with their unit."""
    if key.endswith("_at") and moment(value) is not None:
        return when_text(value)
    if key == "size" and isinstance(value, int):
        return size_text(value)
    return value


def facts(kind: str, document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return what is set of a thing, by name; what its title says already is left out."""
    said = _UNSHOWN | set(title_keys(kind))
    found = [(key, shown(key, value)) for key, value in document.items() if key not in said]
    if kind == "endpoint" and "scoring_uri" in document and document["scoring_uri"] is None:
        found = [(key, _NO_ADDRESS if key == "scoring_uri" else value) for key, value in found]
    return [(key, value) for key, value in found if value not in (None, "", [], {}, ())]


def title_keys(kind: str) -> tuple[str, ...]:
    """Return the keys whose values name a thing."""
    if kind == "deployment":
        return ("endpoint", "name", "version")
    if kind in {"workspace", "errors"}:
        return ("workspace", "job")
    return ("name", "version")


def title(kind: str, document: Mapping[str, Any]) -> tuple[str, str]:
    """Return what names a thing, and its version if it has one."""
    names = [document.get(key) for key in title_keys(kind) if key != "version"]
    name = " / ".join(cut(clean(name), _LONGEST) for name in names if name)
    version = document.get("version")
    if version is None or "version" not in title_keys(kind):
        return name, ""
    return name, f"version {cut(clean(version), _LONGEST)}"


def compact_list(kind: str, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a list's document with as many items, of what a list shows of them, as are below the limit."""
    items, more = drawn(document)
    found = {
        "kind": f"{kind}-list",
        "items": [],
        "total": len(items) + more,
        "nothing": cut(clean(document.get("nothing") or "")),
    }
    kept: list[Any] = []
    room = LIMIT - len(encoded(found)) - 1
    for item in items:
        short = _brief(kind, item)
        room -= len(encoded(short)) + 2
        if room < 0:
            break
        kept.append(short)
    return {**found, "items": kept}


def _brief(kind: str, item: Mapping[str, Any]) -> dict[str, Any]:
    if kind == "job":
        progress = say.progress_of(item)
        item = {**item, "progress": {name: progress[name] for name in _COUNTERS}}
    keys = _JOB if kind == "job" else _COLUMNS.get(kind, tuple(item))
    values = {key: _value(item, key) if key == "mini_batch_size" else item.get(key) for key in keys}
    return {key: _short(plain(value)) for key, value in values.items() if value not in (None, "", [], {})}


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {cut(key, _LONGEST): _short(item) for key, item in list(value.items())[:MOST]}
    if isinstance(value, list):
        return [_short(item) for item in value[:MOST]]
    return cut(value, _LONGEST) if isinstance(value, str) else value
