"""What ``%batch?`` shows, made of the grammar."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.grammar.model import Noun, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchmagic.grammar.model import Option

DESCRIPTION = "Batch endpoints in a notebook: deploy a model, score a folder of files with it, get one table."
EPILOG = """\
Example:
  %batch deploy heart/classifier --model ./model
  job = %batch invoke heart --input ./patients
  job.result()

`%batch` alone shows what is there. `%batch NOUN VERB --help` explains a verb. `{{ expression }}` is replaced by its
value in lines and YAML cells, as one word. `J` is a job's name, the beginning of one, or `last`."""


def document(nouns: Sequence[Noun | Verb], shared: Sequence[Option]) -> str:
    """Return the docstring of the magic: everything that can be said, an example each."""
    lines = [DESCRIPTION, "", "::", ""]
    for entry in nouns:
        lines += [f"    {line}" for line in _entry(entry)]
    lines += ["", "Every verb takes", ""]
    lines += [f"    {', '.join(option.flags)} {option.metavar or ''}  {option.help}" for option in shared]
    return "\n".join([*lines, "", EPILOG])


def _entry(entry: Noun | Verb) -> Iterator[str]:
    verbs = (entry,) if isinstance(entry, Verb) else entry.verbs
    for verb in verbs:
        yield f"%batch {verb.example}"
        yield f"    {verb.help}"
        if verb.cell:
            yield f"    as a cell: %%batch {verb.cell.splitlines()[0]}"
