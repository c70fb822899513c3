"""Everything but a job as HTML: a thing as a title with its facts, errors, and lists as tables."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from batchmagic.twins import job_words as say
from batchmagic.twins.calling import snippets
from batchmagic.twins.columns import drawn, facts, rows, singular, title
from batchmagic.twins.job import error_table, next_line
from batchmagic.twins.look import LEFT, code, esc, sep, span
from batchmagic.twins.text import errors_headline
from batchmagic.twins.values import cell

if TYPE_CHECKING:
    from collections.abc import Sequence

_CODE = frozenset({"path", "code", "scoring_uri", "python", "workspace", "conda_file", "image"})
_NARROW = frozenset({"name", "started", "created", "took", "mini-batches"})
_LONGEST = 80


def thing_card(kind: str, document: Mapping[str, Any]) -> str:
    """Return one thing: what it is, and what is set."""
    name, version = title(kind, document)
    parts = [f"<b>{esc(name)}</b>", span("bm-dim", kind)]
    if version:
        parts.append(span("bm-dim", version))
    body = "".join(_fact(key, value) for key, value in facts(kind, document))
    table = f'<table class="bm-table"><tbody>{body}</tbody></table>' if body else ""
    calls = "".join(_snippet(name, text) for name, text in snippets(document).items())
    return f'<div class="bm-head">{sep().join(parts)}</div>{table}{calls}{next_line(document)}'


def _snippet(name: str, text: str) -> str:
    return f'<details class="bm-line"><summary>{esc(name)}</summary><pre class="bm-code">{escape(text)}</pre></details>'


def _fact(key: str, value: Any) -> str:
    return f'<tr><th scope="row" class="bm-w" {LEFT}>{esc(key)}</th><td class="bm-any" {LEFT}>{_shown(key, value)}</td></tr>'


def _shown(key: str, value: Any) -> str:
    if isinstance(value, Mapping):
        pairs = ((esc(k), esc(cell(v))) for k, v in value.items() if v is not None)
        return "<br>".join(f'<span class="bm-dim">{k}:</span> {v}' for k, v in pairs)
    return code(cell(value)) if key in _CODE else esc(cell(value))


def errors_card(document: Mapping[str, Any]) -> str:
    """Return the errors of a job."""
    tone = "bm-err" if document.get("errors") else "bm-ok"
    parts = [f'<b class="{tone}">{esc(errors_headline(document))}</b>']
    if document.get("job"):
        parts.append(span("bm-mono bm-dim", document["job"]))
    head = f'<div class="bm-head">{sep().join(parts)}</div>'
    return f"{head}{error_table(document)}{next_line(document)}"


def list_card(kind: str, document: Mapping[str, Any]) -> str:
    """Return a list as a table, or what there is to say when it is empty."""
    items, more = drawn(document)
    if not items:
        return f'<div class="bm-line bm-dim">{esc(document.get("nothing") or f"No {singular(kind)}.")}</div>'
    made = rows(singular(kind), items)
    keys = [key for key in made[0] if key != "detail"]
    right = {key for key in keys if all(isinstance(row[key], int | float | None) for row in made)}
    head = "".join(f"<th{_class(key, right)}>{esc(key)}</th>" for key in keys)
    body = "".join(
        f"<tr>{''.join(_td(key, row, right, item) for key in keys)}</tr>"
        for row, item in zip(made, items, strict=True)
    )
    rest = f'<div class="bm-line bm-dim">and {more:,} more</div>' if more else ""
    table = f'<table class="bm-table bm-list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="bm-scroll">{table}</div>{rest}'


def _class(key: str, right: Sequence[str] | set[str]) -> str:
    if key in right:
        return ' class="bm-n"'
    return ' class="bm-w"' if key in _NARROW else ""


def _td(key: str, row: Mapping[str, Any], right: set[str], item: Mapping[str, Any]) -> str:
    text = esc(cell(row[key]), _LONGEST)
    if key == "name":
        text = f"<b>{text}</b>"
    elif key == "status":
        text = f'<span class="bm-{say.tint(item)}">● {text}</span>'
        if detail := row.get("detail"):
            text += f"<br>{span('bm-dim', detail)}"
    return f"<td{_class(key, right)}>{text}</td>"
