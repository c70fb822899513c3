"""What the demo prints: headings, aligned facts, tables and quoted text; in colour only on a terminal."""

from __future__ import annotations

import contextlib
import logging
import warnings
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_LABEL = 14
_NOISY = ("alembic", "mlflow", "sklearn")


class Screen:
    """Writes to standard output, line by line and never wrapped."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, markup=False)
        self._number = 0

    def title(self, text: str, about: str) -> None:
        """Print what all of this is."""
        self._line(Text.assemble((text, "bold"), f"   {about}"))

    def heading(self, text: str, about: str = "") -> None:
        """Begin a numbered part."""
        self._number += 1
        self._line("")
        self._line(
            Text.assemble((f"{self._number}  {text}", "bold cyan"), (f"   {about}" if about else "", "dim"))
        )

    def fact(self, label: str, value: str, about: str = "") -> None:
        """Print a value beside its label."""
        self._line(
            Text.assemble((f"   {label:<{_LABEL}}", "dim"), value, (f"   {about}" if about else "", "dim"))
        )

    def say(self, text: str = "", style: str = "") -> None:
        """Print a sentence."""
        self._line(Text(f"   {text}" if text else "", style=style))

    def quote(self, lines: Sequence[str], *, style: str = "") -> None:
        """Print the text of a file or an error, with a bar beside it."""
        for line in lines:
            self._line(Text.assemble(("   │ ", "dim"), (line, style)))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> None:
        """Print rows under their headings; all but the first `left` columns stand to the right."""
        widths = [max(len(line[i]) for line in [header, *rows]) for i in range(len(header))]
        for number, line in enumerate([header, *rows]):
            cells = [
                f"{c:<{w}}" if i < left else f"{c:>{w}}"
                for i, (c, w) in enumerate(zip(line, widths, strict=True))
            ]
            self._line(Text("   " + "   ".join(cells), style="" if number else "dim"))

    def commands(self, typed: Sequence[tuple[str, str]]) -> None:
        """Print commands to type, each with what it does."""
        width = max(len(words) for words, _ in typed)
        for words, about in typed:
            self._line(Text.assemble(("   $ ", "dim"), f"{words:<{width}}   ", (f"# {about}", "dim")))

    def _line(self, text: Text | str) -> None:
        if isinstance(text, Text):
            text.rstrip()
        self._console.print(text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep the notices of the libraries that train and save the model off the screen."""
    levels = {name: logging.getLogger(name).level for name in _NOISY}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _NOISY:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
