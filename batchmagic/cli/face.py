"""The face of a terminal: what a verb says and shows, and how what came of it is printed."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from batchmagic.cli.progress import follow_job
from batchmagic.cli.render import note, show_data, show_one, show_rows
from batchmagic.errors import JobException
from batchmagic.sdk import follow
from batchmagic.sdk import stream as streams

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.sdk.session import Session
    from batchmagic.verbs.outcome import Outcome
    from batchmagic.workspace.job_records import JobRecord


class TerminalFace:
    """A terminal, or a program that reads what a command prints."""

    command = "batchmagic"
    #: A command line is a session of one command.
    last_job: str | None = None
    has_shown = False
    keeps_output = False

    def waits(self, *, wait: bool | None, no_wait: bool) -> bool:  # noqa: ARG002 - the notebook's
        """Tell that an invoke waits unless told not to."""
        return not no_wait

    def note(self, text: str) -> None:
        """Print to standard error."""
        note(text)

    def started(self, session: Session, record: JobRecord, *, waits: bool) -> None:  # noqa: ARG002 - the notebook's
        """Name a job that is going to be followed; one that goes on by itself is what the command prints."""
        if waits:
            note(f"Job {record.name}")

    def follow(self, session: Session, name: str, *, timeout: float | None = None) -> JobRecord:
        """Show the job's progress on standard error until it ends, and return it."""
        with follow.interruptible(session, name):
            return follow_job(session, name, timeout=timeout)

    def stream(self, session: Session, name: str) -> JobRecord:
        """Print the lines of Azure's ``stream``."""
        with follow.interruptible(session, name):
            try:
                return streams.stream(session, name, out=lambda line: print(line, flush=True))
            except JobException:
                return session.job(name)  # what it says is printed with what came of the verb


def present(outcome: Outcome, form: str) -> None:
    """Print what came of a verb, as a table or text, or as JSON or YAML."""
    if outcome.error is not None:
        print_failure(str(outcome.error).splitlines())
    if form != "table":
        show_data(outcome.data(), form)
    elif outcome.error is not None:
        return
    elif outcome.file is not None:
        _print_file(outcome.file)
    elif outcome.text:
        print(outcome.text)
    else:
        _print_table(outcome)


def _print_table(outcome: Outcome) -> None:
    shown = outcome.data() if outcome.rows is None else outcome.rows
    if isinstance(shown, Mapping):
        show_one(shown)
    else:
        show_rows(shown, nothing=outcome.nothing)
    if outcome.below:
        print(outcome.below)


def _print_file(path: Path) -> None:
    with path.open("rb") as file:
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def print_failure(lines: list[str]) -> None:
    """Print the lines to standard error, the kind of error in red on a terminal."""
    if not sys.stderr.isatty():
        note("\n".join(lines))
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.text import Text  # noqa: PLC0415

    text = Text("\n".join(lines))
    text.highlight_regex(r"^[A-Za-z_][\w.]*(?=:)", "red")
    text.highlight_regex(r"\b(Failed|NotResponding)\b", "red")
    Console(stderr=True, highlight=False, soft_wrap=True).print(text)
