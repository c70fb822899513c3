"""What a verb is given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.errors import ResourceNotFoundError, UsageError

if TYPE_CHECKING:
    import argparse

    from batchmagic.sdk.client import MLClient
    from batchmagic.sdk.session import Session
    from batchmagic.verbs.face import Face
    from batchmagic.workspace.job_records import JobRecord

COMPLETED, FAILED, USAGE, CANCELED, COMPLETED_WITH_FAILURES = 0, 1, 2, 3, 4

_LAST = "last"


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """The text below the line of a cell, as lines that stand where they stand in the cell.

    Attributes
    ----------
    text
        With an empty line for each line above.
    name
        What errors call it.
    values
        Placeholders in the text, and what gives the value that each stands for.
    """

    text: str
    name: str
    values: Any = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """One command.

    Attributes
    ----------
    arguments
        The words taken apart.
    body
        The text of the cell below them, if there is one.
    cell
        The number of the cell, for a script that stands in one.
    """

    arguments: argparse.Namespace
    client: MLClient
    face: Face
    body: Body | None = None
    cell: int | None = None

    @property
    def command(self) -> str:
        """What the reader types before the verbs."""
        return self.face.command

    @property
    def session(self) -> Session:
        """The workspace's session."""
        return self.client.session

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
            return self.session.job(word)
        own = self.face.last_job
        if own is not None:
            return self.session.job(own)
        newest = self.session.newest_job()
        if newest is None:
            raise ResourceNotFoundError(
                "There is no job yet.", kind="job", hint=f"`{self.command} invoke` starts one."
            )
        if changing:
            raise UsageError(
                "`last` is the last job of this session, and this session has started none.",
                hint=f"The newest one here is {newest.name}: name it.",
            )
        self.face.note(f"last: {newest.name}, the newest job of this workspace")
        return newest
