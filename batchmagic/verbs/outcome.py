"""What came of a verb, for a face to show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.errors import JobException

Row = Mapping[str, Any]
Data = Row | Sequence[Row]


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of a verb.

    Attributes
    ----------
    document
        It as a program reads it: a mapping, or a list of them; or what returns that, where it costs something.
    value
        It as a notebook gets it; None where there is nothing to keep.
    text
        It in a sentence or more; empty where it is shown as a table.
    shows_itself
        Whether a notebook shows the value and needs no text.
    rows
        The table, or the one thing, where it is not the document itself.
    below
        What a terminal prints below that, as it stands.
    file
        A file that a terminal prints whole.
    nothing
        What an empty table says.
    code
        The exit code of a command.
    error
        What the job failed by, if that is how it came out.
    """

    document: Data | Callable[[], Data]
    value: Any = None
    text: str = ""
    shows_itself: bool = False
    rows: Data | None = None
    below: str = ""
    file: Path | None = None
    nothing: str = ""
    code: int = 0
    error: JobException | None = None

    def data(self) -> Data:
        """Return what a program reads."""
        return self.document() if callable(self.document) else self.document
