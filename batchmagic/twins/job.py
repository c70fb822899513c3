"""A job as HTML: parts that the live view shows while it lives, and the twin that stays in the notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.twins import job_words as say
from batchmagic.twins.look import LEFT, code, esc, sep, span
from batchmagic.words import clock, counted, left_text, rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_WIDE, _HIGH, _ROOM = 150, 34, 2
_LEAST = 0.5
_TWO = 2


def job_head(document: Mapping[str, Any], *, lives: bool = True) -> str:
    """Return one line: how the job stands, what it is, and when.

    Parameters
    ----------
    lives
        Whether it is kept up to date.
    """
    status = f'<span class="bm-dot">●</span>{sep(" ")}{esc(say.headline(document))}'
    parts = [
        f'<b class="bm-state bm-{say.tint(document)}">{status}</b>',
        f"<b>{esc(say.where(document))}</b>",
        span("bm-mono bm-dim", say.name_of(document)),
    ]
    if time := say.time_text(document, lives=lives):
        parts.append(span("bm-right bm-dim bm-num", time))
    return f'<div class="bm-head">{sep().join(parts)}</div>'


def job_bar(document: Mapping[str, Any]) -> str:
    """Return the bar: what is done, what failed, what runs."""
    progress = say.progress_of(document)
    total = progress["mini_batches"]
    running = 0 if say.has_ended(document) else progress["running"]
    shares = (("ok", progress["completed"]), ("err", progress["failed"]), ("run", running))
    pieces = "".join(
        f'<i class="bm-{name}" style="width:{_percent(n, total)}%"></i>' for name, n in shares if n
    )
    done = progress["completed"] + progress["failed"]
    return (
        '<div class="bm-bar" role="progressbar" aria-label="mini-batches" aria-valuemin="0" '
        f'aria-valuemax="{total:d}" aria-valuenow="{done:d}">{pieces if total else ""}</div>'
    )


def _percent(number: int, total: int) -> str:
    # A single failure among thousands must be seen.
    return f"{max(100 * number / total, _LEAST) if total else 0:.4g}"


def job_facts(document: Mapping[str, Any]) -> str:
    """Return the figures, each with what it counts below it; before there are any, what the job does."""
    facts = _facts(document)
    if not facts:
        text = say.detail_text(document)
        return f'<div class="bm-line bm-dim">{esc(text)}</div>' if text else ""
    cells = [
        f'<td {LEFT}><b class="bm-num {tone}">{big}</b><br>{span("bm-dim", small)}</td>'
        for big, small, tone in facts
    ]
    table = f'<table class="bm-facts"><tbody><tr>{"".join(cells)}</tr></tbody></table>'
    return f'<div class="bm-row">{table}{_sparkline(document.get("rates") or ())}</div>'


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    progress = say.progress_of(document)
    total, done = progress["mini_batches"], progress["completed"] + progress["failed"]
    if not total:
        return []
    found = [
        (f'{done:,} <span class="bm-dim">/ {total:,}</span>', "mini-batches", ""),
        (f"{progress['rows']:,}", "rows", ""),
        *_pace_facts(document),
    ]
    if progress["retried"]:
        found.append((f"{progress['retried']:,}", "retried", "bm-retry"))
    if progress["files_failed"]:
        found.append((f"{progress['files_failed']:,}", "files failed", "bm-err"))
    elif progress["failed"]:
        found.append((f"{progress['failed']:,}", "failed", "bm-err"))
    return found


def _pace_facts(document: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    pace, seconds = document.get("pace") or {}, say.progress_of(document)["seconds"]
    now, mean, left = pace.get("now") or 0, pace.get("mean") or 0, pace.get("left")
    if say.has_ended(document):
        rate = say.pace_text(document)
        return [(esc(rate[0]), "mean", ""), (clock(seconds), "took", "")] if rate else []
    found = []
    if now or mean:
        found.append((rate_text(now or mean), f"now, {rate_text(mean)} mean" if now and mean else "rate", ""))
    if left is not None:
        found.append((left_text(left), f"left of {_total(left, seconds)}", ""))
    return found


def _total(left: float, seconds: float) -> str:
    """Return the whole time, as exactly as the time that is left is told."""
    whole = seconds + left
    return clock(whole) if left_text(left) == clock(left) else left_text(whole)


def _sparkline(rates: Sequence[float]) -> str:
    if len(rates) < _TWO:
        return ""
    top = max(*rates, 0) or 1
    across = (_WIDE - 2 * _ROOM) / (len(rates) - 1)
    points = " ".join(
        f"{_ROOM + i * across:.1f},{_HIGH - _ROOM - (_HIGH - 2 * _ROOM) * max(rate, 0) / top:.1f}"
        for i, rate in enumerate(rates)
    )
    return (
        f'<svg class="bm-run" width="{_WIDE}" height="{_HIGH}" viewBox="0 0 {_WIDE} {_HIGH}" '
        'preserveAspectRatio="none" aria-hidden="true">'
        f'<polyline fill="none" vector-effect="non-scaling-stroke" stroke="currentColor" stroke-width="1.5" points="{points}"></polyline></svg>'
    )


def error_table(document: Mapping[str, Any]) -> str:
    """Return the errors of the scoring script, one row per kind; nothing where there are none."""
    errors = document.get("errors") or ()
    if not errors:
        return ""
    rows = "".join(_error_row(error) for error in errors)
    more = (document.get("error_kinds") or 0) - len(errors)
    if more > 0:
        rows += f'<tr><td colspan="3" class="bm-dim" {LEFT}>and {esc(counted(more, "more kind"))}</td></tr>'
    head = f'<thead><tr><th {LEFT}>error</th><th class="bm-n">files</th><th {LEFT}>example</th></tr></thead>'
    return f'<table class="bm-table">{head}<tbody>{rows}</tbody></table>'


def _error_row(error: Mapping[str, Any]) -> str:
    lines = [f'<code class="bm-err">{esc(say.error_text(error))}</code>']
    if place := say.frame_text(error):
        source = (error.get("frame") or {}).get("source")
        shown = f": {code(source)}" if source else ""
        lines.append(f'<span class="bm-dim">{esc(place)}{shown}</span>')
    if survived := say.survived_text(error):
        lines.append(span("bm-dim", survived))
    files = f"{error['files']:,}" if error.get("files") else "–"  # noqa: RUF001 - an empty figure
    example = say.example_text(error)
    return (
        f'<tr><td class="bm-any" {LEFT}>{"<br>".join(lines)}</td><td class="bm-n">{files}</td>'
        f'<td class="bm-w" {LEFT}>{code(example) if example else ""}</td></tr>'
    )


def next_line(document: Mapping[str, Any]) -> str:
    """Return what to type next as a line; nothing where there is nothing to do."""
    commands = say.commands(document)
    if not commands:
        return ""
    return f'<div class="bm-line bm-dim">Next: {" · ".join(code(command) for command in commands)}</div>'


def job_card(document: Mapping[str, Any]) -> str:
    """Return the whole job, for a card."""
    parts = [job_head(document, lives=False), job_bar(document)]
    if say.has_ended(document):
        parts += [_summary(document), _why(document)]
    else:
        parts.append(job_facts(document))
        if say.progress_of(document)["mini_batches"] and (detail := say.detail_text(document)):
            parts.append(f'<div class="bm-line bm-dim">{esc(detail)}</div>')
    return "".join([*parts, error_table(document), next_line(document)])


def _summary(document: Mapping[str, Any]) -> str:
    text = esc(say.done_text(document))
    if document.get("status") == "Completed" and (name := say.output_name(document)):
        text += f' → <code title="{esc(document["output"])}">{esc(name)}</code>'
    parts = [text, *(esc(part) for part in say.pace_text(document)), esc(say.failed_text(document))]
    line = " · ".join(part for part in parts if part)
    return f'<div class="bm-line bm-dim">{line}</div>' if line else ""


def _why(document: Mapping[str, Any]) -> str:
    lines = []
    error, detail = document.get("error") or {}, say.detail_text(document)
    if not document.get("errors") and (text := say.error_text(error)):
        lines.append(f'<div class="bm-line"><code class="bm-err">{esc(text)}</code></div>')
    if detail and detail not in say.error_text(error):
        lines.append(f'<div class="bm-line">{esc(detail)}</div>')
    return "".join(lines)
