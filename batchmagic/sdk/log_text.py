"""A log as a value: all of it, shown in a measure that a notebook can carry."""

from __future__ import annotations

_FIRST, _LAST = 40, 160
_WIDEST = 1000


class LogText(str):
    """The text of a log; a notebook shows its beginning and its end when it is long, ``print`` all of it."""

    __slots__ = ()

    def shown(self) -> str:
        """Return at most 200 lines: the first ones, how many are left out, and the last ones."""
        lines = [line if len(line) <= _WIDEST else f"{line[:_WIDEST]}…" for line in self.splitlines()]
        left_out = len(lines) - _FIRST - _LAST
        if left_out > 0:
            lines[_FIRST:-_LAST] = [f"… {left_out:,} lines are not shown; print() shows all …"]
        return "\n".join(lines)

    # IPython shows every kind of `str` by its repr, whatever other methods it has.
    __repr__ = shown
