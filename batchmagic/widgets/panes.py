"""What the tabs of a job's view say, as HTML."""

from __future__ import annotations

import html
import os
import time
from typing import TYPE_CHECKING, Any

from batchmagic.errors import BatchMagicError
from batchmagic.sdk.failure import place_of
from batchmagic.sdk.job_definition import definition_text
from batchmagic.sdk.preview import preview
from batchmagic.sdk.results import output_file, output_folder
from batchmagic.twins.look import code, esc
from batchmagic.widgets.lanes import lanes
from batchmagic.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.sdk.watch import Watch
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger_errors import ErrorGroup

LOGS = ("job_progress_overview.txt", "job_error.txt", "job_result.txt")
_TAIL, _LINES = 64 << 10, 200
_GROUPS = 20
_TRACEBACK = 8000
_ROWS, _COLUMNS, _WIDEST = 10, 20, 80


def _pane(inner: str) -> str:
    return f'<div class="bm-pane">{inner}</div>'


def _dim(text: str) -> str:
    return f'<p class="bm-dim">{esc(text)}</p>'


def progress(watch: Watch) -> str:
    """Return what the slots have just been doing."""
    attempts, window = watch.attempts()
    record = watch.record
    if not attempts:
        ended = watch.rests or record.progress.mini_batches
        return _pane(_dim(_nothing_lately(record) if ended else "No mini-batch has been handed out yet."))
    running = not watch.rests and record.progress.running > 0
    now = record.ended_at.timestamp() if record.ended_at else time.time()
    last = "last" if record.ended_at else "the last"
    drawn = lanes(attempts, now=now, window=window, running=running)
    return _pane(f'{drawn}<p class="bm-dim" style="margin-top:6px">{last} {esc(_span(window))}</p>')


def _span(window: float) -> str:
    minute = 60
    return f"{window:.0f} s" if window <= 2 * minute else f"{window / minute:.0f} min"


def _nothing_lately(record: JobRecord) -> str:
    if record.status.is_terminal:
        return "Nothing was scored in this run's last seconds."
    running = counted(record.progress.running, "mini-batch")
    return f"{running} running; none has ended lately." if record.progress.running else "Nothing runs now."


def errors(groups: list[ErrorGroup], record: JobRecord) -> str:
    """Return what failed, grouped, with tracebacks to open."""
    if not groups:
        return _pane(_dim("No errors."))
    size = record.spec.settings.mini_batch_size
    more = len(groups) - _GROUPS
    rest = _dim(f"and {counted(more, 'more kind')}") if more > 0 else ""
    return _pane("".join(_error(group, size) for group in groups[:_GROUPS]) + rest)


def _error(group: ErrorGroup, mini_batch_size: int) -> str:
    count = f"{group.files:,}" if group.files else f"({group.count:,})"
    message = " ".join(group.message.split())
    head = f"{count} × {group.type}: {message}"  # noqa: RUF001 - what a person reads as times
    lines = [f'<code class="bm-err">{esc(head)}</code>']
    if group.frame:
        file, line, function, source = group.frame
        place = f"{file.rpartition('/')[2]}, line {line}, in {function}"
        lines.append(f'<span class="bm-dim">{esc(place)}</span> {code(source.strip()) if source else ""}')
    if where := place_of(group.example_file, group.example_mini_batch, mini_batch_size):
        first = "first in" if group.files else "attempts that failed, and a later one succeeded; first in"
        lines.append(f'<span class="bm-dim">{esc(f"{first} {where}")}</span>')
    shown = ""
    if text := group.traceback:
        cut = text if len(text) <= _TRACEBACK else f"…\n{text[-_TRACEBACK:]}"
        shown = f"<details><summary class='bm-dim'>traceback</summary><pre>{html.escape(cut)}</pre></details>"
    return f'<div class="bm-error">{"<br>".join(lines)}{shown}</div>'


def log(folder: Path, name: str) -> str:
    """Return the end of a log."""
    path = folder / "logs" / "user" / name
    try:
        text = _tail(path)
    except FileNotFoundError:
        text = ""
    return (
        f'<pre class="bm-text">{html.escape(text)}</pre>' if text else _dim(f"{name} has nothing in it yet.")
    )


def _tail(path: Path) -> str:
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL))
        data = file.read(_TAIL)
    lines = data.decode("utf-8", errors="replace").splitlines()
    if size > _TAIL:
        del lines[:1]  # it begins somewhere before
    left_out = size > _TAIL or len(lines) > _LINES
    return "\n".join(["…", *lines[-_LINES:]] if left_out else lines)


def result(watch: Watch, *, wanted: bool) -> str:
    """Return the first rows of the result, or what it waits for.

    Parameters
    ----------
    wanted
        Whether somebody looks: only then are the rows read.
    """
    record = watch.record
    ws = watch.session.read()
    path = output_file(ws, record)
    if path is None:
        return _pane(
            f"<p>The script keeps no rows here (summary_only). What it writes itself is in "
            f"{code(output_folder(ws, record))}.</p>"
        )
    if record.status != "Completed":
        ended = record.status.is_terminal
        what = "did not complete: it has no result." if ended else f"is {record.status}."
        waits = "" if ended else f" Its rows are in {code(path.name)} once it has completed."
        return _pane(f'<p class="bm-dim">The job {esc(what)}{waits}</p>')
    where = f'<p class="bm-dim">{esc(counted(record.progress.rows, "row"))} in {code(path)}</p>'
    return _pane(where + (_rows(watch) if wanted else ""))


def _rows(watch: Watch) -> str:
    try:
        frame = preview(watch.session.read(), watch.record, rows=_ROWS)
    except BatchMagicError as error:
        return f"<p>{esc(error)}</p>"
    names = [str(name) for name in frame.columns[:_COLUMNS]]
    more = len(frame.columns) - len(names)
    head = "".join(f"<th>{esc(name, _WIDEST)}</th>" for name in names) + ("<th>…</th>" if more > 0 else "")
    body = "".join(
        "<tr>"
        + "".join(_cell(value) for value in row[: len(names)])
        + ("<td>…</td>" if more > 0 else "")
        + "</tr>"
        for row in frame.itertuples(index=False, name=None)
    )
    return f'<table class="bm-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return f"<td>{code('' if value is None else str(value)[: _WIDEST * 2])}</td>"
    return f'<td class="bm-n">{esc(value)}</td>'


def definition(record: JobRecord) -> str:
    """Return what was frozen when the job was invoked, as YAML."""
    return _pane(f"<pre>{html.escape(definition_text(record))}</pre>")
