"""A job's progress on a terminal: one live bar; where there is no terminal, plain lines."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from batchmagic.sdk import follow
from batchmagic.sdk.pace import Meter, Pace, headline, trouble
from batchmagic.sdk.stream import LinePrinter
from batchmagic.words import clock, counted, rate_text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord

_PER_SECOND = 8
_BAR = 32


def follow_job(session: Session, name: str, *, timeout: float | None = None) -> JobRecord:
    """Show the job's progress on standard error until it ends, and return it."""
    if sys.stderr.isatty():
        return _live(session, name, timeout)
    printer = LinePrinter(lambda line: print(line, file=sys.stderr, flush=True))
    record = session.job(name)
    for record in follow.snapshots(session, name, timeout=timeout):
        printer.show(record)
    return record


def _live(session: Session, name: str, timeout: float | None) -> JobRecord:
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.live import Live  # noqa: PLC0415

    record = session.job(name)
    meter = Meter()
    with Live(console=Console(stderr=True), refresh_per_second=_PER_SECOND, transient=False) as live:
        for record in follow.snapshots(session, name, timeout=timeout):
            live.update(view(record, meter.observe(record.progress, time.monotonic())))
    return record


def view(record: JobRecord, pace: Pace) -> RenderableType:
    """Return two lines: what it is with its state, and the bar with its numbers."""
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    progress = record.progress
    first = Text.assemble(
        ("● ", _colour(record)), (headline(record.status, progress), f"bold {_colour(record)}"), "  ",
        (f"{record.spec.endpoint} / {record.spec.deployment}", "bold"), "  ", (record.name, "dim"),
        no_wrap=True, overflow="ellipsis",
    )  # fmt: skip
    if not progress.mini_batches:
        return Group(first, Text(f"  {record.status_detail}", style="dim"))
    return Group(first, _second(record, pace))


def _second(record: JobRecord, pace: Pace) -> RenderableType:
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    progress = record.progress
    done = progress.completed + progress.failed
    numbers = [f"{done:,}/{progress.mini_batches:,} mini-batches", counted(progress.rows, "row")]
    if record.status.is_terminal:
        numbers.append(clock(progress.seconds))
        if pace.mean:
            numbers.append(rate_text(pace.mean))
    elif pace.now > 0:
        numbers.append(rate_text(pace.now))
        if pace.left is not None:
            numbers.append(f"{clock(pace.left)} left")
    text = Text(" · ".join(numbers), no_wrap=True, overflow="ellipsis")
    for part in trouble(progress):
        text.append(f" · {part}", style="magenta" if "retried" in part else "red")
    if record.status_detail and not record.status.is_terminal:
        text.append(f" · {record.status_detail}", style="dim")
    grid = Table.grid(padding=(0, 1))
    grid.add_row(_bar(record, done), text)
    return grid


def _bar(record: JobRecord, done: int) -> RenderableType:
    from rich.progress_bar import ProgressBar  # noqa: PLC0415

    colour = _colour(record)
    total = record.progress.mini_batches
    return ProgressBar(total=total, completed=done, width=_BAR, complete_style=colour, finished_style=colour)


def _colour(record: JobRecord) -> str:
    if record.status == "Completed":
        return "dark_orange" if record.progress.files_failed else "green"
    return {"Failed": "red", "NotResponding": "red", "Canceled": "yellow", "CancelRequested": "yellow"}.get(
        record.status, "blue"
    )
