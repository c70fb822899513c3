"""Nouns, verbs and options as data: what parsers, help, completion and the reference page are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Face = Literal["cli", "magic"]
BOTH: tuple[Face, ...] = ("cli", "magic")


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option or argument.

    Attributes
    ----------
    flags
        ``("--input",)``; a name without dashes makes it a positional argument.
    takes
        How its word is read: ``str``, ``int``, ``float``, ``flag`` (no word), or ``not`` (a flag that says no).
    repeat
        Whether it may be given several times.
    several
        Whether further words of the form KEY=VALUE may follow it, as in Azure's command line.
    optional
        Whether a positional argument may be left out.
    completes
        What its values are names of (``endpoint``, ``job``, ``path``, …), for completion.
    setting
        The deployment setting (dotted YAML key) that it gives, if it gives one.
    faces
        Where it exists: on the command line, in a notebook, or both.
    """

    flags: tuple[str, ...]
    help: str
    takes: str = "str"
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    default: Any = None
    required: bool = False
    repeat: bool = False
    several: bool = False
    optional: bool = False
    completes: str = ""
    setting: str = ""
    faces: tuple[Face, ...] = BOTH

    @property
    def is_positional(self) -> bool:
        """Whether it is told by its place."""
        return not self.flags[0].startswith("-")

    @property
    def dest(self) -> str:
        """The attribute of the parsed arguments that holds its value."""
        long = next((f for f in self.flags if f.startswith("--")), self.flags[0])
        return long.lstrip("-").lower().replace("-", "_").replace("/", "_")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verb:
    """One thing that can be done.

    Attributes
    ----------
    handler
        ``module:function`` inside ``batchmagic.verbs``.
    example
        A line that works once its names are replaced; `help` shows it.
    body
        What a cell below its magic line holds, if the verb takes one.
    cell
        An example of such a cell, without ``%%batch``.
    """

    name: str
    help: str
    handler: str
    example: str
    options: tuple[Option, ...] = ()
    body: Literal["", "python", "yaml"] = ""
    cell: str = ""

    def options_of(self, face: Face) -> tuple[Option, ...]:
        """Return the options that it has there."""
        return tuple(option for option in self.options if face in option.faces)


@dataclass(frozen=True, kw_only=True, slots=True)
class Noun:
    """A kind of thing, and what can be done with it."""

    name: str
    help: str
    verbs: tuple[Verb, ...] = field(default_factory=tuple)

    def verb(self, name: str) -> Verb | None:
        """Return its verb of that name."""
        return next((verb for verb in self.verbs if verb.name == name), None)
