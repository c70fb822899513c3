"""What a verb needs of whoever asked: a terminal, or a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord


class Face(Protocol):
    """Where words come from and go to.

    Attributes
    ----------
    last_job
        The job that this session invoked or resumed last.
    has_shown
        Whether the verb that runs has shown its job, with all there is to say of it.
    keeps_output
        Whether what is shown is kept in a file, as in a notebook: nothing secret is to be shown then.
    """

    last_job: str | None
    has_shown: bool
    keeps_output: bool

    @property
    def command(self) -> str:
        """What a person types before the verbs."""

    def waits(self, *, wait: bool | None, no_wait: bool) -> bool:
        """Tell whether an invoke returns only when its job has ended."""

    def note(self, text: str) -> None:
        """Say what a person should know and a program should not read."""

    def started(self, session: Session, record: JobRecord, *, waits: bool) -> None:
        """Show or name a job that has been queued.

        Parameters
        ----------
        waits
            Whether it is going to be followed to its end.
        """

    def follow(self, session: Session, name: str, *, timeout: float | None = None) -> JobRecord:
        """Show the job's progress until it ends, and return it."""

    def stream(self, session: Session, name: str) -> JobRecord:
        """Show what Azure's ``stream`` shows, or the like, until the job ends, and return it."""
