"""What the doctor found: what needs somebody first and whole, then everything line by line."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from batchmagic.twins.look import LEFT, code, esc, sep, span
from batchmagic.twins.values import clean, cut
from batchmagic.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WIDTH = 116
_TINTS = {"ok": "ok", "look": "warn", "broken": "err"}
_MARKS = {"ok": "✓", "look": "●", "broken": "✗"}
_HEADLINES = {"ok": "All is well", "look": "Works, and somebody should look", "broken": "Something is broken"}


def doctor_card(document: Mapping[str, Any]) -> str:
    """Return the findings as HTML."""
    state = _state(document.get("state"))
    parts = [f'<b class="bm-{_TINTS[state]}">{_MARKS[state]} {esc(_HEADLINES[state])}</b>']
    if counts := _counts(document):
        parts.append(span("bm-dim", counts))
    if place := document.get("workspace"):
        parts.append(f"{span('bm-dim', 'workspace')} {code(place)}")
    body = "".join(map(_part, _parts(document)))
    # One table for all, so that its columns stand below each other.
    table = f'<table class="bm-table"><tbody>{body}</tbody></table>' if body else ""
    return f'<div class="bm-head">{sep().join(parts)}</div>{table}'


def _part(part: Mapping[str, Any]) -> str:
    title = f'<tr><td colspan="3" {LEFT}><b>{esc(part.get("title") or "")}</b></td></tr>'
    return title + "".join(map(_row, _findings(part)))


def _row(finding: Mapping[str, Any]) -> str:
    state = _state(finding.get("state"))
    mark = f'<span class="bm-{_TINTS[state]}">{_MARKS[state]} {state}</span>'
    text = esc(finding.get("text") or "")
    if finding.get("do"):
        text += f"<br>{span('bm-dim', 'Do:')} {code(finding['do'])}"
    return (
        f'<tr><th scope="row" class="bm-w" {LEFT}>{mark}</th>'
        f'<td {LEFT}>{span("bm-dim", finding.get("subject") or "")}</td><td class="bm-any" {LEFT}>{text}</td></tr>'
    )


def doctor_text(document: Mapping[str, Any]) -> list[str]:
    """Return the findings as lines; commands are whole, to be copied."""
    state = _state(document.get("state"))
    first = [
        f"{_MARKS[state]} {_HEADLINES[state]}",
        _counts(document),
        cut(cut(clean(document.get("workspace") or ""))),
    ]
    lines = [" · ".join(part for part in first if part)]
    for part in _parts(document):
        lines += ["", cut(clean(part.get("title") or "")), *_lines(part)]
    return lines


def _lines(part: Mapping[str, Any]) -> Iterator[str]:
    for finding in _findings(part):
        state = _state(finding.get("state"))
        about = cut(f"{clean(finding.get('subject') or '')}: {clean(finding.get('text') or '')}")
        mark = f"  {_MARKS[state]} {state:<6}  "
        yield from textwrap.wrap(
            about, _WIDTH, initial_indent=mark, subsequent_indent=" " * len(mark), break_on_hyphens=False
        )
        if finding.get("do"):
            yield f"{' ' * len(mark)}do: {cut(clean(finding['do']))}"  # whole: it is there to be copied


def _state(value: Any) -> str:
    return value if value in _TINTS else "look"


def _counts(document: Mapping[str, Any]) -> str:
    counts = document.get("counts") or {}
    parts = []
    if counts.get("broken"):
        parts.append(f"{counts['broken']:,} broken")
    if counts.get("look"):
        parts.append(f"{counts['look']:,} to look at")
    if counts.get("ok"):
        parts.append(f"{counted(counts['ok'], 'thing')} ok")
    return ", ".join(parts)


def _parts(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [part for part in document.get("parts") or () if part.get("findings")]


def _findings(part: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(part.get("findings") or ())
