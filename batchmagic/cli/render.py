"""Results as a table, JSON or YAML."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from batchmagic.twins.text import table
from batchmagic.twins.values import cell, plain
from batchmagic.words import size_text

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


def show_rows(rows: Sequence[Row], *, nothing: str = "") -> None:
    """Print rows as a table.

    Parameters
    ----------
    nothing
        What is printed when there is no row.
    """
    if not rows:
        print(nothing)
        return
    for line in table(rows):
        _print_line(line)


def show_one(values: Row) -> None:
    """Print one thing as one line per key."""
    flat = {key: text for key, value in values.items() if (text := _block(key, value)) != ""}
    width = max(map(len, flat), default=0)
    for key, text in flat.items():
        lines = text.split("\n")
        print(f"{key:<{width}}  {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")


def show_data(value: Any, form: str) -> None:
    """Print JSON or YAML."""
    if form == "json":
        print(json.dumps(plain(value), indent=2, ensure_ascii=False))
    else:
        import yaml  # noqa: PLC0415 - only where it is asked for

        print(yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True), end="")


def note(text: str) -> None:
    """Print to standard error what a person should know and a program should not read."""
    print(text, file=sys.stderr, flush=True)


def _block(key: str, value: Any) -> str:
    if key == "size":
        return size_text(value)
    if isinstance(value, Mapping):
        return "\n".join(f"{k}: {cell(v)}" for k, v in value.items() if v is not None)
    return str(value).rstrip() if isinstance(value, str) else cell(value)


def _print_line(line: str) -> None:
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
