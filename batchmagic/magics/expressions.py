"""``{{ expression }}``: where it ends, and what it is worth."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchmagic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

OPEN, CLOSE = "{{", "}}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Names:
    """The names that an expression may use: those of the function that runs, then those of the notebook."""

    notebook: dict[str, Any]
    local: Mapping[str, Any] = field(default_factory=dict)

    def value(self, source: str) -> Any:
        """Return what the expression is worth.

        Raises
        ------
        UsageError
            If it is no expression, raises, or is None.
        """
        shown = f"{OPEN} {source.strip()} {CLOSE}"
        try:
            # The notebook's own code in the notebook's own kernel.
            found = eval(compile(source.strip(), "<batch>", "eval"), {**self.notebook, **self.local})  # noqa: S307
        except Exception as error:
            raise UsageError(f"{shown}: {type(error).__name__}: {error}.") from error
        if found is None:
            raise UsageError(f"{shown} is None.")
        return found

    def text(self, source: str) -> str:
        """Return the expression's value as text, whatever blanks and quotes it holds."""
        return str(self.value(source))


def is_open(text: str, at: int) -> bool:
    """Tell whether an expression begins there; Azure's own ``${{ … }}`` is none."""
    return text.startswith(OPEN, at) and (at == 0 or text[at - 1] != "$")


def end_of(text: str, at: int) -> int:
    """Return where the expression's closing braces begin, for one that opens at `at`.

    The first braces that leave a whole expression count, so that it may hold dictionaries and sets.

    Raises
    ------
    UsageError
        If nothing closes it.
    """
    begin = at + len(OPEN)
    first = found = text.find(CLOSE, begin)
    while found >= 0:
        if _is_whole(text[begin:found]):
            return found
        found = text.find(CLOSE, found + 1)
    if first < 0:
        raise UsageError(f"{OPEN!r} without {CLOSE!r}: {text[at:].strip()[:60]!r}.")
    return first


def _is_whole(source: str) -> bool:
    try:
        compile(source.strip(), "<batch>", "eval")
    except (SyntaxError, ValueError):
        return False
    return True


def with_placeholders(text: str, names: Names) -> tuple[str, dict[str, Callable[[], Any]]]:
    """Return YAML text with a word in place of each expression, and what gives the value of each such word.

    Nothing is evaluated before its value is asked for: what stands in a comment never is.
    """
    pieces: list[str] = []
    values: dict[str, Callable[[], Any]] = {}
    mark = f"bm{secrets.token_hex(4)}"
    done = 0
    for begin, end in _spans(text):
        word = f"{mark}n{len(values)}x"
        values[word] = _once(names, text[begin + len(OPEN) : end])
        pieces += [text[done:begin], word]
        done = end + len(CLOSE)
    return "".join([*pieces, text[done:]]), values


def _spans(text: str) -> Iterator[tuple[int, int]]:
    at = text.find(OPEN)
    while at >= 0:
        end = at
        if is_open(text, at):
            end = end_of(text, at)
            yield at, end
        at = text.find(OPEN, end + len(CLOSE))


def _once(names: Names, source: str) -> Callable[[], Any]:
    found: list[Any] = []

    def value() -> Any:
        if not found:
            found.append(_plain(names.value(source)))
        return found[0]

    return value


def _plain(value: Any) -> Any:
    """Return a value as YAML has it: what is none of its types becomes text."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if hasattr(value, "item") and not isinstance(value, type):
        value = value.item()  # a number of NumPy's
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
