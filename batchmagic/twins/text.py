"""Things as text: aligned tables, one line per fact, and a job in two or three lines."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchmagic import words
from batchmagic.twins import job_words as say
from batchmagic.twins.calling import snippets
from batchmagic.twins.columns import drawn, facts, rows, singular, title
from batchmagic.twins.values import cell, clean, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAR = 24
_WIDTH, _COLUMN, _COMMANDS = 118, 44, 3
_ERRORS = 5


def table(rows: Sequence[Mapping[str, Any]], *, longest: int | None = None) -> list[str]:
    """Return the lines of a table: those keys of the first row that do not begin with an underscore.

    Parameters
    ----------
    longest
        Characters of one cell; what is more is cut. None: all of it.
    """
    if not rows:
        return []
    keys = [key for key in rows[0] if not key.startswith("_")]
    cells = [[_cell(row.get(key), longest) for key in keys] for row in rows]
    right = [all(isinstance(row.get(key), int | float | None) for row in rows) for key in keys]
    widths = [max(len(key), *(_width(line[i]) for line in cells)) for i, key in enumerate(keys)]
    return [_line(line, widths, right) for line in ([key.upper() for key in keys], *cells)]


def block(values: Mapping[str, Any]) -> list[str]:
    """Return one thing as a line per key, and a line per key of what is in a mapping."""
    flat = {key: text for key, value in values.items() if (text := _block(value)) != ""}
    width = max(map(len, flat), default=0)
    lines = []
    for key, text in flat.items():
        first, *more = text.split("\n")
        lines += [f"{key:<{width}}  {first}", *(f"{'':<{width}}  {line}" for line in more)]
    return lines


def _cell(value: Any, longest: int | None) -> str:
    text = cell(value)
    return text if longest is None else cut(text, longest)


def _width(text: str) -> int:
    """Return the columns that a terminal gives a text: two for wide letters, none for marks on others."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    none = sum(unicodedata.category(c) in {"Mn", "Me", "Cf"} for c in text)
    return len(text) + wide - none


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = []
    for text, width, is_right in zip(cells, widths, right, strict=True):
        blanks = " " * (width - _width(text))
        parts.append(blanks + text if is_right else text + blanks)
    return "  ".join(parts).rstrip()


def _block(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {cell(v)}" for k, v in value.items() if v is not None)
    return str(value).rstrip() if isinstance(value, str) else cell(value)


def job_text(document: Mapping[str, Any]) -> list[str]:
    """Return a job as two or three lines, as a terminal shows it while it runs; then its errors and what to do."""
    first = [f"● {say.headline(document)}", say.where(document), say.name_of(document)]
    if time := say.time_text(document):
        first.append(time)
    lines = ["  ".join(part for part in first if part)]
    if numbers := _numbers(document):
        lines.append(f"  {numbers}")
    lines += [f"  {text}" for text in _reasons(document)]
    lines += [f"  {line}" for line in _error_lines(document)]
    return [*lines, *_next(document)]


def _numbers(document: Mapping[str, Any]) -> str:
    progress = say.progress_of(document)
    done, total = progress["completed"] + progress["failed"], progress["mini_batches"]
    if not total:
        return ""
    full = min(_BAR * done // total, _BAR)
    counts = f"{done:,}/{words.counted(total, 'mini-batch')} · {words.counted(progress['rows'], 'row')}"
    if say.has_ended(document):
        counts = say.done_text(document)
    parts = [f"{'━' * full}{'─' * (_BAR - full)}  {counts}", *say.pace_text(document)]
    if document.get("status") == "Completed" and (name := say.output_name(document)):
        parts[0] += f" → {name}"
    return " · ".join(
        [
            *parts,
            *words.trouble(
                retried=progress["retried"], failed=progress["failed"], files_failed=progress["files_failed"]
            ),
        ]
    )


def _reasons(document: Mapping[str, Any]) -> list[str]:
    error = say.error_text(document.get("error") or {})
    detail = say.detail_text(document)
    found = [error] if error and not document.get("errors") else []
    return [cut(text, _WIDTH) for text in [*found, detail] if text and (text == error or text not in error)]


def _error_lines(document: Mapping[str, Any], most: int = _ERRORS) -> list[str]:
    errors = list(document.get("errors") or ())[:most]
    counts = [
        f"{error['files']:,}" if error.get("files") else f"({error.get('count') or 0:,})" for error in errors
    ]
    width = max(map(len, counts), default=0)
    lines = []
    for count, error in zip(counts, errors, strict=True):
        example = cut(say.example_text(error), _COLUMN)
        end = f"  {example}" if example else ""
        room = _WIDTH - width - len(end) - 6
        lines.append(f"{count:>{width}} × {cut(say.error_text(error), room)}{end}")  # noqa: RUF001 - read as times
        lines += [f"{' ' * (width + 3)}{line}" for line in _place_lines(error, _WIDTH - width - 6)]
    more = (document.get("error_kinds") or 0) - len(errors)
    return [*lines, f"and {words.counted(more, 'more kind')}"] if errors and more > 0 else lines


def _place_lines(error: Mapping[str, Any], room: int) -> list[str]:
    """Return the script's line, and that a later attempt succeeded, where that is so."""
    source = clean((error.get("frame") or {}).get("source") or "")
    place = say.frame_text(error)
    lines = [f"{place}: {source}" if place and source else place, say.survived_text(error)]
    return [cut(line, room) for line in lines if line]


def _next(document: Mapping[str, Any]) -> list[str]:
    commands = say.commands(document)[:_COMMANDS]
    return [cut(f"  Next: {' · '.join(commands)}", _WIDTH)] if commands else []


def errors_text(document: Mapping[str, Any]) -> list[str]:
    """Return the errors of a job: how many, then a line per kind."""
    job = cut(clean(document.get("job") or ""), _COLUMN)
    lines = [" · ".join(part for part in (errors_headline(document), job) if part)]
    lines += [f"  {line}" for line in _error_lines(document, most=20)]
    return [*lines, *_next(document)]


def errors_headline(document: Mapping[str, Any]) -> str:
    """Return ``2 kinds of error; 16 files failed for good``."""
    kinds = document.get("error_kinds") or len(document.get("errors") or ())
    if not kinds:
        return "No errors"
    return (
        f"{words.counted(kinds, 'kind')} of error; "
        f"{words.counted(document.get('files_failed') or 0, 'file')} failed for good"
    )


def thing_text(kind: str, document: Mapping[str, Any]) -> list[str]:
    """Return any other thing: what it is, then a line per fact."""
    name, version = title(kind, document)
    heading = "  ".join(part for part in (kind, cut(name, _WIDTH // 2), version) if part)
    lines = [heading, *(f"  {line}" for line in block(dict(_cut_facts(kind, document))))]
    # Not indented: they are there to be copied.
    for text in snippets(document).values():
        lines += ["", *text.rstrip().split("\n")]
    return lines


def _cut_facts(kind: str, document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    room = _WIDTH - 2 - max((len(key) for key, _ in facts(kind, document)), default=0) - 2
    found: list[tuple[str, Any]] = []
    for key, value in facts(kind, document):
        if isinstance(value, Mapping):
            lines = {cut(clean(k), _COLUMN): cut(cell(v), room - _COLUMN) for k, v in value.items()}
            found.append((clean(key), lines))
        else:
            found.append((clean(key), cut(cell(value), room)))
    return found


def list_text(kind: str, document: Mapping[str, Any]) -> list[str]:
    """Return a list as a table, or what there is to say when it is empty."""
    items, more = drawn(document)
    if not items:
        return [clean(document.get("nothing") or f"No {singular(kind)}.")]
    lines = table(rows(singular(kind), items), longest=_COLUMN)
    return [*lines, f"and {more:,} more"] if more else lines
