"""Write docs/reference.md: everything that can be said, made of the grammar itself."""  # noqa: INP001 -- a script

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.grammar.model import Noun, Option, Verb
from batchmagic.grammar.nouns import NOUNS
from batchmagic.grammar.options import SHARED_CLI, SHARED_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TARGET = Path(__file__).parent / "reference.md"

_HEAD = """\
# Reference: `%batch`, `%%batch` and `batchmagic`

Written by `make reference` from the grammar that the magics, the command line, their help and their completion share.
What is said here with `%batch` is said on a command line with `batchmagic`, unless a row says otherwise.

- `%load_ext batchmagic` loads the magics. `%batch` alone shows what is there, what runs, and one next step.
- `%batch?`, `%batch --help` and `%batch NOUN VERB --help` print help. Tab completes nouns, verbs, options, values, names
  from the workspace, paths, and the keys of a YAML cell.
- Quotes are those of a POSIX shell. `#` begins a comment only after a blank.
- `{{ expression }}` is replaced by its value in magic lines and YAML cells (never in Python cells). It is one word whatever
  blanks or quotes its value holds, also inside a longer word. In YAML, a value that is nothing but an expression keeps its
  type. Azure's own `${{ … }}` is left alone.
- `J` is a job's name, the beginning of one that fits no other, or `last`: the last job of this session. Verbs that only
  read fall back to the workspace's newest job and say so.
- A bare name is a registered asset (`heart` is `azureml:heart@latest`); a path holds a slash or a dot.
- `%batch invoke` shows a live view and returns a `Job` at once: `.name .status .progress .wait() .result() .errors()
  .logs() .cancel()`, and it can be awaited. Interrupting a wait leaves the job running.
- Bad input is one line, `UsageError: …`, and stops a run of all cells, as does a failed job under `--wait`.
- `%config BatchMagic.display = "widgets" | "html" | "text" | "auto"` and the variable `BATCHMAGIC_DISPLAY` choose how jobs
  are shown, `%config BatchMagic.wait = True` makes `invoke` wait, `%config BatchMagic.workspace = "DIR"` names the
  workspace.
"""


def reference() -> str:
    """Return the page."""
    parts = [_HEAD]
    for entry in NOUNS:
        parts += _of_noun(entry) if isinstance(entry, Noun) else [f"## {entry.name}\n", *_of_verb("", entry)]
    parts += ["## Options of every verb\n", "In a notebook:\n", *_table(SHARED_MAGIC)]
    parts += ["On the command line:\n", *_table(SHARED_CLI)]
    return "\n".join(parts).rstrip() + "\n"


def _of_noun(noun: Noun) -> Iterator[str]:
    yield f"## {noun.name}\n"
    yield f"{_sentence(noun.help)}\n"
    for verb in noun.verbs:
        yield f"### {noun.name} {verb.name}\n"
        yield from _of_verb(noun.name, verb)


def _of_verb(noun: str, verb: Verb) -> Iterator[str]:
    yield f"{_sentence(verb.help)}\n"
    yield f"```\n%batch {verb.example}\n```\n"
    if verb.cell:
        where = f"`%%batch {noun or verb.name}`"
        what = "the scoring script, as Python" if verb.body == "python" else "the definition, as YAML"
        yield f"As a cell, {where}: {what}.\n"
        yield f"```\n%%batch {verb.cell}\n```\n"
    yield from _table(verb.options)


def _table(options: Iterable[Option]) -> Iterator[str]:
    rows = [_row(option) for option in options]
    if rows:
        yield "| option | what it is |\n|---|---|"
        yield "\n".join(rows) + "\n"


def _row(option: Option) -> str:
    flags = ", ".join(option.flags) if not option.is_positional else (option.metavar or option.flags[0])
    value = "" if option.is_positional or option.takes in {"flag", "not"} else f" {option.metavar or ''}"
    notes = [
        "required" if option.required else "",
        "may be left out" if option.is_positional and option.optional else "",
        {("cli",): "command line only", ("magic",): "notebook only"}.get(option.faces, ""),
    ]
    shown = "; ".join([option.help, *(note for note in notes if note)]).replace("|", "\\|")
    written = (flags + value).rstrip().replace("|", "\\|")
    return f"| `{written}` | {shown} |"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def main() -> int:
    """Write the page."""
    TARGET.write_text(reference(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
