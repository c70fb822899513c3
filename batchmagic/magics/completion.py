"""What Tab offers: nouns, verbs, options, their values, names of the workspace, and keys of a YAML cell."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.errors import BatchMagicError
from batchmagic.grammar.model import Noun, Option, Verb
from batchmagic.magics.cells import with_verb
from batchmagic.magics.keys import yaml_words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from batchmagic.sdk.session import Session
    from batchmagic.workspace import Workspace

_MAGIC = re.compile(r"\s*(%%?)batch\b(.*)", re.DOTALL)
_ASSIGNED = re.compile(r"\s*[A-Za-z_]\w*\s*=\s*(%batch\b)")
_MOST = 200


def completions(
    text: str, grammar: Sequence[Noun | Verb], shared: Sequence[Option], session: Session
) -> tuple[str, list[str]] | None:
    """Return the piece of a word that stands before the cursor, and what it can become.

    Parameters
    ----------
    text
        The cell up to the cursor.

    Returns
    -------
    None where the cell is no ``%batch``.
    """
    first, newline, body = text.lstrip().partition("\n")
    if newline and first.startswith("%%batch"):
        return _in_body(first, body, grammar)
    line = text[text.rfind("\n") + 1 :]
    assigned = _ASSIGNED.match(line)
    found = _MAGIC.match(line[assigned.start(1) :] if assigned else line)
    if found is None:
        return None
    words = found[2].split()
    fragment = words.pop() if words and not found[2][-1].isspace() else ""
    if not words and not fragment and not found[2]:
        return None  # the cursor still touches the magic's own name
    if found[1] == "%%":
        words = with_verb(words, grammar) if len(words) > 1 or not fragment else words
    offered = _offered(words, fragment, grammar, shared, session, is_cell=found[1] == "%%")
    return fragment, sorted({word for word in offered if word.startswith(fragment)})[:_MOST]


def _in_body(first: str, body: str, grammar: Sequence[Noun | Verb]) -> tuple[str, list[str]] | None:
    words = with_verb(first.split()[1:], grammar)
    noun = next((n for n in grammar if n.name == (words[0] if words else "")), None)
    verb = noun.verb(words[1]) if isinstance(noun, Noun) and len(words) > 1 else noun
    if not isinstance(verb, Verb) or verb.body != "yaml":
        return None
    return yaml_words(noun.name if isinstance(noun, Noun) else "", body)


def _offered(  # noqa: PLR0911 - one for each place in a line
    words: list[str],
    fragment: str,
    grammar: Sequence[Noun | Verb],
    shared: Sequence[Option],
    session: Session,
    *,
    is_cell: bool,
) -> Iterable[str]:
    if not words:
        return [entry.name for entry in grammar if not is_cell or _takes_cell(entry)]
    entry = next((entry for entry in grammar if entry.name == words[0]), None)
    if entry is None:
        return []
    if isinstance(entry, Noun):
        if len(words) == 1:
            return [verb.name for verb in entry.verbs]
        verb, given = entry.verb(words[1]), words[2:]
    else:
        verb, given = entry, words[1:]
    if verb is None:
        return []
    options = (*verb.options_of("magic"), *shared)
    before = _option(options, given[-1]) if given else None
    if before is not None and before.takes not in {"flag", "not"}:
        return _values(before, fragment, session)
    if fragment.startswith("-"):
        return _flags(options, given)
    place = _positional(options, given)
    return _values(place, fragment, session) if place else _flags(options, given)


def _takes_cell(entry: Noun | Verb) -> bool:
    verb = entry.verb("create") if isinstance(entry, Noun) else entry
    return verb is not None and bool(verb.body)


def _option(options: Iterable[Option], word: str) -> Option | None:
    return next((option for option in options if word in option.flags and not option.is_positional), None)


def _flags(options: Iterable[Option], given: Sequence[str]) -> list[str]:
    return [
        max(option.flags, key=len)
        for option in options
        if not option.is_positional and (option.repeat or not set(option.flags) & set(given))
    ]


def _positional(options: Sequence[Option], given: Sequence[str]) -> Option | None:
    count = 0
    skip = False
    for word in given:
        option = _option(options, word)
        if option is None and not skip:
            count += 1
        skip = option is not None and option.takes not in {"flag", "not"}
    places = [option for option in options if option.is_positional]
    return places[count] if count < len(places) else None


def _values(option: Option, fragment: str, session: Session) -> Iterable[str]:
    if option.choices:
        return option.choices
    if option.completes == "path" or ("/" in fragment and option.completes in {"model", "environment"}):
        assets = [] if "/" in fragment or option.flags[0] != "--input" else _names("data", session)
        return [*_paths(fragment), *assets]
    return _names(option.completes, session)


def _names(what: str, session: Session) -> list[str]:
    look = _LOOKS.get(what)
    if look is None:
        return []
    try:
        ws = session.peek()
        return look(ws) if ws is not None else []
    except BatchMagicError:
        return []  # Tab is no place to tell what is wrong with a workspace


def _deployments(ws: Workspace) -> list[str]:
    names = [endpoint.name for endpoint in ws.endpoints.list()]
    return names + [f"{name}/{record.name}" for name in names for record in ws.deployments.list(name)]


def _logs(_: Workspace) -> list[str]:
    return ["job_error.txt", "job_progress_overview.txt", "job_result.txt"]


_LOOKS: dict[str, Callable[[Workspace], list[str]]] = {
    "endpoint": lambda ws: [endpoint.name for endpoint in ws.endpoints.list()],
    "deployment": _deployments,
    "compute": lambda ws: [compute.name for compute in ws.computes.list()],
    "job": lambda ws: ["last", *(record.name for record in ws.jobs.list(limit=_MOST))],
    "log": _logs,
    "token": lambda ws: [token.name for token in ws.tokens.list() if token.revoked_at is None],
    **{
        kind: (lambda ws, kind=kind: [record.name for record in ws.assets.list(kind)])  # type: ignore[misc]
        for kind in ("model", "data", "environment")
    },
}


def _paths(fragment: str) -> list[str]:
    folder, _, beginning = fragment.rpartition("/")
    base = Path(f"{folder}/" if folder or fragment.startswith("/") else ".").expanduser()
    prefix = f"{folder}/" if "/" in fragment else ""
    try:
        with os.scandir(base) as entries:
            found = [(entry.name, entry.is_dir()) for entry in entries if entry.name.startswith(beginning)]
    except OSError:
        return []
    shown = [
        (name, is_dir) for name, is_dir in found if not name.startswith(".") or beginning.startswith(".")
    ]
    return [f"{prefix}{name}{'/' if is_dir else ''}" for name, is_dir in shown]
