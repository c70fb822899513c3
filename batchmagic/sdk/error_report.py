"""The errors of a job as a value: groups to go through, a table to work with, and a twin to look at."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from batchmagic.redaction import redact_uris
from batchmagic.sdk.log_text import LogText
from batchmagic.words import counted, short_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from batchmagic.workspace.ledger_errors import ErrorGroup

_COLUMNS = [
    "type",
    "message",
    "count",
    "files",
    "example_file",
    "example_mini_batch",
    "file",
    "line",
    "function",
    "traceback",
]
_KINDS = 20
_LONGEST = 400


def error_item(group: ErrorGroup) -> dict[str, Any]:
    """Return a kind of error as it stands in a document: with an example and the script's line, no traceback."""
    return {
        "type": group.type,
        "message": _text(group.message),
        "files": group.files,
        "count": group.count,
        "file": _text(short_path(group.example_file)),
        "mini_batch": group.example_mini_batch,
        "frame": group.frame and _line(*group.frame),
    }


def _line(file: str, line: int, function: str, source: str | None) -> dict[str, Any]:
    return {
        "file": short_path(file),
        "line": line,
        "function": function,
        "source": _text((source or "").strip()),
    }


def _text(value: str) -> str:
    return redact_uris(value)[:_LONGEST]


def error_frame(groups: Iterable[ErrorGroup]) -> pd.DataFrame:
    """Return the errors as a table, one row per kind."""
    import pandas as pd  # noqa: PLC0415

    return pd.DataFrame([_row(group) for group in groups], columns=_COLUMNS)


class ErrorReport:
    """What failed in a job so far; iterating goes through the kinds of error, the worst first.

    Parameters
    ----------
    job
        The job's name.
    groups
        One per kind of error.
    steps
        What to type next.
    full
        Whether tracebacks are shown.
    """

    def __init__(
        self, job: str, groups: Sequence[ErrorGroup], *, steps: Sequence[str] = (), full: bool = False
    ) -> None:
        self.job = job
        self.groups = tuple(groups)
        self.full = full
        self._steps = list(steps)

    @property
    def frame(self) -> pd.DataFrame:
        """The errors as a table, one row per kind, tracebacks included."""
        return error_frame(self.groups)

    def __iter__(self) -> Iterator[ErrorGroup]:
        return iter(self.groups)

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        text: str = self._repr_mimebundle_()["text/plain"]
        return text

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        from batchmagic.twins import bundle  # noqa: PLC0415 - only what is displayed needs them

        shown = bundle("errors", self._document())
        for heading, text in self._tracebacks():
            shown["text/html"] += f"<p>{html.escape(heading)}</p><pre>{html.escape(text)}</pre>"
            shown["text/plain"] += f"\n\n{heading}\n{text}"
        return shown

    def _document(self) -> dict[str, Any]:
        return {
            "kind": "errors",
            "job": self.job,
            "error_kinds": len(self.groups),
            "files_failed": sum(group.files for group in self.groups),
            "errors": [error_item(group) for group in self.groups[:_KINDS]],
            "next": self._steps,
        }

    def _tracebacks(self) -> Iterator[tuple[str, str]]:
        for group in self.groups[:_KINDS] if self.full else ():
            if group.traceback:
                message = _text(group.message).strip().partition("\n")[0]
                heading = f"{counted(group.count, 'failed attempt')}: {group.type}: {message}".rstrip(": ")
                yield heading, LogText(group.traceback).shown()


def _row(group: ErrorGroup) -> dict[str, Any]:
    file, line, function, _ = group.frame or (None, None, None, None)
    return {
        "type": group.type,
        "message": group.message,
        "count": group.count,
        "files": group.files,
        "example_file": group.example_file,
        "example_mini_batch": group.example_mini_batch,
        "file": file,
        "line": line,
        "function": function,
        "traceback": group.traceback,
    }
