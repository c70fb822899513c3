"""Results as a table, JSON or YAML."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = Mapping[str, Any]

_STYLES = {
    "Completed": "green",
    "Failed": "red",
    "NotResponding": "red",
    "Canceled": "yellow",
    "CancelRequested": "yellow",
}
_AMBER = "dark_orange"


def plain(value: Any) -> Any:
    """Return `value` as JSON can write it."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str):
        return str(value)
    return value if isinstance(value, bool | int | float) or value is None else str(value)


def show_rows(rows: Sequence[Row], form: str, *, nothing: str = "") -> None:
    """Print rows; of a table, those keys of the first row that do not begin with an underscore.

    Parameters
    ----------
    nothing
        What a table says when there is no row.
    """
    if form != "table":
        _structured(rows, form)
    elif not rows:
        print(nothing)
    else:
        _table(rows)


def show_one(values: Row, form: str) -> None:
    """Print one thing, in a table as one line per key."""
    if form != "table":
        _structured(values, form)
        return
    flat = {key: text for key, value in values.items() if (text := _block(value)) != ""}
    width = max(map(len, flat), default=0)
    for key, text in flat.items():
        lines = text.split("\n")
        print(f"{key:<{width}}  {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")


def done(text: str, value: Row, form: str) -> None:
    """Print what was done: a sentence, or the thing itself where a program reads."""
    if form == "table":
        print(text)
    else:
        _structured(value, form)


def note(text: str) -> None:
    """Print to standard error what a person should know and a program should not read."""
    print(text, file=sys.stderr, flush=True)


def ago(when: datetime | None) -> str:
    """Return ``just now``, ``5 min ago``, ``14:02`` of today, else the date."""
    if when is None:
        return ""
    local = when.astimezone()
    seconds = (datetime.now(UTC) - when).total_seconds()
    minute, hour = 60, 3600
    if seconds < minute:
        return "just now"
    if seconds < hour:
        return f"{seconds / minute:.0f} min ago"
    if local.date() == datetime.now(UTC).astimezone().date():
        return local.strftime("%H:%M")
    return local.strftime("%d %b %H:%M")


def size_text(count: int) -> str:
    """Return a number of bytes for people: ``1.4 MB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:  # noqa: PLR2004
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


def _structured(value: Any, form: str) -> None:
    if form == "json":
        print(json.dumps(plain(value), indent=2, ensure_ascii=False))
    else:
        import yaml  # noqa: PLC0415 - only where it is asked for

        print(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True), end="")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k}={_cell(v)}" for k, v in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(_cell(v) for v in value)
    return " ".join(str(plain(value)).split())


def _block(value: Any) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {_cell(v)}" for k, v in value.items() if v is not None)
    return str(value).rstrip() if isinstance(value, str) else _cell(value)


def _table(rows: Sequence[Row]) -> None:
    keys = [key for key in rows[0] if not key.startswith("_")]
    cells = [[_cell(row.get(key)) for key in keys] for row in rows]
    right = [all(isinstance(row.get(key), int | float | None) for row in rows) for key in keys]
    widths = [max(len(key), *(len(line[i]) for line in cells)) for i, key in enumerate(keys)]
    _print_line([key.upper() for key in keys], widths, right)
    for line in cells:
        _print_line(line, widths, right)


def _print_line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> None:
    padded = [f"{c:>{w}}" if r else f"{c:<{w}}" for c, w, r in zip(cells, widths, right, strict=True)]
    line = "  ".join(padded).rstrip()
    if not sys.stdout.isatty():
        print(line)
        return
    from rich.console import Console  # noqa: PLC0415 - only on a terminal
    from rich.text import Text  # noqa: PLC0415

    text = Text(line, no_wrap=True, overflow="ellipsis")
    text.highlight_regex(r"Completed · [\d,]+ files? failed", _AMBER)
    for status, style in _STYLES.items():
        text.highlight_regex(rf"\b{status}\b(?! ·)", style)
    Console(highlight=False).print(text)
