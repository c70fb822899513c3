"""A cell taken apart: its magic line, and what stands below it, in the lines where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchmagic.errors import UsageError
from batchmagic.grammar.model import Noun, Verb
from batchmagic.magics.expressions import Names, with_placeholders
from batchmagic.verbs.context import Body

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMENT = "# The scoring script of a notebook cell; its lines are the cell's."


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """A cell of a notebook.

    Attributes
    ----------
    line
        The magic line, with the lines that a backslash joined to it.
    body
        What stands below; None for a magic that is one line.
    above
        Lines of the cell before the body.
    number
        The number in the brackets before the cell.
    """

    line: str
    body: str | None
    above: int
    number: int

    @property
    def title(self) -> str:
        """What errors call it."""
        return f"cell [{self.number}]"


def cell_of(line: str, body: str | None, *, number: int, source: str) -> Cell:
    """Return the cell, with lines that end in a backslash joined.

    Parameters
    ----------
    source
        The whole cell as it was typed, where that is known.
    """
    if body is None:
        return Cell(line=line, body=None, above=0, number=number)
    begins = source.lstrip()
    above = 1 + source[: len(source) - len(begins)].count("\n") if begins.startswith("%%") else 1
    while line.endswith("\\") and body:
        first, _, body = body.partition("\n")
        line = f"{line[:-1]} {first}"
        above += 1
    return Cell(line=line, body=body, above=above, number=number)


def with_verb(words: Sequence[str], grammar: Sequence[Noun | Verb]) -> list[str]:
    """Return the words with ``create`` where a cell names only the noun that its body defines."""
    noun = next((n for n in grammar if isinstance(n, Noun) and words and n.name == words[0]), None)
    if noun is None or noun.verb("create") is None:
        return list(words)
    if len(words) > 1 and (noun.verb(words[1]) is not None or words[1] in {"--help", "-h"}):
        return list(words)
    return [words[0], "create", *words[1:]]


def body_of(cell: Cell, verb: Verb, names: Names) -> Body | None:
    """Return the body as the verb takes it.

    Raises
    ------
    UsageError
        If the verb takes none, or a script is missing.
    """
    if cell.body is None or (not cell.body.strip() and verb.body != "python"):
        return None
    if not verb.body:
        raise UsageError(
            f"`{verb.example.split(' --')[0]}` takes no cell.", hint="Write it as one line, with one %."
        )
    if verb.body == "python":
        if not cell.body.strip():
            raise UsageError(
                "There is no scoring script below the line.",
                hint="Write init() and run(mini_batch), or deploy with one % and no cell.",
            )
        header = "\n".join([_COMMENT, *("#" for _ in range(cell.above - 1))])
        return Body(text=f"{header}\n{cell.body}", name=cell.title)
    text, values = with_placeholders(cell.body, names)
    return Body(text="\n" * cell.above + text, name=cell.title, values=values)
