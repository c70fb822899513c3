"""What the doctor finds: one line each, with what to do about it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.workspace.health import Contents


class State(StrEnum):
    """How something is."""

    OK = "ok"
    LOOK = "look"
    """Nothing is lost, and somebody should look at it."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line.

    Attributes
    ----------
    subject
        What was looked at.
    text
        How it is, in words.
    do
        One command, or one act, that mends it; empty where all is well.
    """

    subject: str
    text: str
    state: State = State.OK
    do: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patient:
    """The workspace that is looked at.

    Attributes
    ----------
    contents
        What ``workspace.db`` holds; None where it cannot be read.
    command
        What the reader types before the verbs.
    everything
        Take as long as it takes.
    """

    root: Path
    contents: Contents | None
    command: str = "batchmagic"
    everything: bool = False
    began: float = field(default_factory=time.monotonic)

    def has_time(self, seconds: float) -> bool:
        """Return whether the whole examination is younger than `seconds`."""
        return self.everything or time.monotonic() - self.began < seconds


def ok(subject: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(subject, text)


def look(subject: str, text: str, *, do: str) -> Finding:
    """Return that somebody should look at it."""
    return Finding(subject, text, State.LOOK, do)


def broken(subject: str, text: str, *, do: str) -> Finding:
    """Return that it does not work."""
    return Finding(subject, text, State.BROKEN, do)
