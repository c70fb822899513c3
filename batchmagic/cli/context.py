"""What a command is given, and how it ends."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from batchmagic.cli.render import note
from batchmagic.errors import ResourceNotFoundError, UsageError
from batchmagic.words import counted

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from batchmagic.sdk.client import MLClient
    from batchmagic.workspace.job_records import JobRecord

COMPLETED, FAILED, USAGE, CANCELED, COMPLETED_WITH_FAILURES = 0, 1, 2, 3, 4
TIMED_OUT, INTERRUPTED = 124, 130  # as `timeout` and shells have them

_LAST = "last"
_CODES = {"Completed": COMPLETED, "Canceled": CANCELED}


@dataclass
class Context:
    """One command.

    Attributes
    ----------
    arguments
        The words taken apart.
    command
        What the reader types before the verbs.
    """

    arguments: argparse.Namespace
    command: str = "batchmagic"

    @property
    def form(self) -> str:
        """Return ``table``, ``json`` or ``yaml``."""
        form: str = self.arguments.format
        return form

    @cached_property
    def client(self) -> MLClient:
        """The client of the workspace that was named, or of the nearest one."""
        from batchmagic.sdk.client import MLClient  # noqa: PLC0415 - `--help` does without

        client = MLClient(self.arguments.workspace) if self.arguments.workspace else MLClient()
        client.session.tell = note
        return client

    def given(self, name: str) -> Any:
        """Return the value of an option, None for options that the verb does not have."""
        return getattr(self.arguments, name, None)

    def job(self, *, changing: bool = False) -> JobRecord:
        """Return the job that the argument ``J`` means.

        Parameters
        ----------
        changing
            Whether the job is to be changed; then `last` never means the workspace's newest.

        Raises
        ------
        UsageError
            If it means none, or more than one.
        """
        word: str = self.arguments.job
        if word != _LAST:
            return self.client.session.job(word)
        newest = self.client.session.newest_job()
        if newest is None:
            raise ResourceNotFoundError(
                "There is no job yet.", kind="job", hint=f"`{self.command} invoke` starts one."
            )
        if changing:
            raise UsageError(
                "`last` is the last job of this session, and this session has started none.",
                hint=f"The newest one here is {newest.name}: name it.",
            )
        note(f"last: {newest.name}, the newest job of this workspace")
        return newest

    def following(self, name: str, act: Callable[[], JobRecord]) -> JobRecord:
        """Return what `act` returns; when a person interrupts it, say that the job goes on.

        Raises
        ------
        KeyboardInterrupt
            Again, after saying so.
        """
        try:
            return act()
        except KeyboardInterrupt:
            note(
                f"\nStopped waiting; job {name} goes on.\n"
                f"  {self.command} job stream {name}     follow it again\n"
                f"  {self.command} job cancel {name}     end it"
            )
            raise

    def end(self, record: JobRecord) -> int:
        """Say what went wrong with a job that has ended, if anything, and return the exit code."""
        from batchmagic.sdk.failure import failure_lines  # noqa: PLC0415

        code = _CODES.get(record.status, FAILED)
        if code == FAILED:
            groups = self.client.session.error_groups(record.name)
            shown = self.client.session.short_name(record.name)
            print_failure(failure_lines(record, groups, command=self.command, name=shown))
        elif code == CANCELED:
            note(f"Job {record.name} was canceled.")
        elif record.progress.files_failed:
            note(
                f"{counted(record.progress.files_failed, 'file')} failed: {self.command} job errors {record.name}"
            )
            return COMPLETED_WITH_FAILURES if self.given("strict") else COMPLETED
        return code


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
