"""What is there and what runs, at a glance: jobs, endpoints, and one next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.twins.look import code, esc, span
from batchmagic.twins.text import list_text
from batchmagic.twins.things import list_card
from batchmagic.twins.values import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PARTS = (
    ("running", "job-list", "Running"),
    ("endpoints", "endpoint-list", "Endpoints"),
    ("recent", "job-list", "Recent jobs"),
)
_EMPTY = "Nothing is deployed here yet."


def overview_card(document: Mapping[str, Any]) -> str:
    """Return the overview as HTML."""
    place = document.get("workspace")
    where = f" {span('bm-dim', 'workspace')} {code(place)}" if place else ""
    parts = [f'<div class="bm-head"><b>batchmagic</b>{where}</div>']
    for title, kind, part in _parts(document):
        parts.append(f'<div class="bm-line"><b>{esc(title)}</b></div>{list_card(kind, part)}')
    if len(parts) == 1:
        parts.append(f'<div class="bm-line bm-dim">{esc(_EMPTY)}</div>')
    command, about = _step(document)
    if command:
        parts.append(f'<div class="bm-line bm-dim">Next: {code(command)} · {esc(about)}</div>')
    return "".join(parts)


def overview_text(document: Mapping[str, Any]) -> list[str]:
    """Return the overview as lines."""
    place = document.get("workspace")
    lines = [f"batchmagic · workspace {clean(place)}" if place else "batchmagic"]
    for title, kind, part in _parts(document):
        lines += ["", title, *(f"  {line}" for line in list_text(kind, part))]
    if len(lines) == 1:
        lines.append(_EMPTY)
    command, about = _step(document)
    return [*lines, "", f"Next: {clean(command)}     {clean(about)}"] if command else lines


def _parts(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for key, kind, title in _PARTS:
        items = document.get(key) or []
        if items:
            count = f" · {len(items):,}" if key != "recent" else ""
            yield f"{title}{count}", kind, {"items": items, "total": len(items)}


def _step(document: Mapping[str, Any]) -> tuple[str, str]:
    found = [*(document.get("next") or ()), "", ""]
    return str(found[0]), str(found[1])
