"""A line of a magic taken apart: quotes as in a POSIX shell, expressions whole, comments only after a blank."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.errors import UsageError
from batchmagic.magics.expressions import CLOSE, OPEN, end_of, is_open

if TYPE_CHECKING:
    from collections.abc import Callable

_IN_DOUBLE = '"\\$`'


def split(line: str, evaluate: Callable[[str], str]) -> list[str]:
    """Return the words of `line`.

    Parameters
    ----------
    evaluate
        Gives the text that an expression stands for. It joins the word that it stands in and is never taken apart.

    Raises
    ------
    UsageError
        If a quote or an expression is not closed.
    """
    return _Lexer(line, evaluate).words()


class _Lexer:
    def __init__(self, line: str, evaluate: Callable[[str], str]) -> None:
        self._line = line
        self._evaluate = evaluate
        self._at = 0
        self._word: list[str] | None = None
        self._words: list[str] = []

    def words(self) -> list[str]:
        while self._at < len(self._line):
            self._step(self._line[self._at])
        self._end_word()
        return self._words

    def _step(self, char: str) -> None:
        if char.isspace():
            self._end_word()
            self._at += 1
        elif char == "#" and self._word is None:
            self._at = len(self._line)
        elif is_open(self._line, self._at):
            self._expression()
        elif char == "'":
            self._single()
        elif char == '"':
            self._double()
        elif char == "\\":
            self._add(self._line[self._at + 1 : self._at + 2], 2)
        else:
            self._add(char)

    def _add(self, text: str, length: int = 1) -> None:
        self._word = [*(self._word or []), text]
        self._at += length

    def _end_word(self) -> None:
        if self._word is not None:
            self._words.append("".join(self._word))
        self._word = None

    def _expression(self) -> None:
        end = end_of(self._line, self._at)
        source = self._line[self._at + len(OPEN) : end]
        self._add(self._evaluate(source), end + len(CLOSE) - self._at)

    def _single(self) -> None:
        self._add("")
        while self._inside("'") != "'":
            self._expression_or(self._line[self._at])
        self._at += 1

    def _double(self) -> None:
        self._add("")
        while (char := self._inside('"')) != '"':
            following = self._line[self._at + 1 : self._at + 2]
            if char == "\\" and following and following in _IN_DOUBLE:
                self._add(following, 2)
            else:
                self._expression_or(char)
        self._at += 1

    def _expression_or(self, char: str) -> None:
        if is_open(self._line, self._at):
            self._expression()
        else:
            self._add(char)

    def _inside(self, quote: str) -> str:
        if self._at >= len(self._line):
            raise UsageError(f"A {quote} is not closed.", hint=f"The line: {self._line.strip()[:80]}")
        return self._line[self._at]
