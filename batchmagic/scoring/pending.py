"""The mini-batches that nobody has yet: a few ranges of numbers, however many mini-batches there are."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pending:
    """A set of mini-batch numbers, kept as sorted ranges and handed out from the front.

    Parameters
    ----------
    ranges
        Half-open ``(start, stop)`` pairs, sorted and apart from each other.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]]) -> None:
        self._ranges = [(start, stop) for start, stop in ranges if start < stop]
        self._size = sum(stop - start for start, stop in self._ranges)

    def __len__(self) -> int:
        return self._size

    def take(self, count: int) -> list[int]:
        """Remove and return up to `count` of the lowest numbers, all of one range.

        Consecutive numbers keep a lease's files in one slice of the manifest.
        """
        if not self._ranges:
            return []
        start, stop = self._ranges[0]
        middle = min(stop, start + count)
        if middle == stop:
            del self._ranges[0]
        else:
            self._ranges[0] = (middle, stop)
        self._size -= middle - start
        return list(range(start, middle))

    def give_back(self, number: int) -> None:
        """Put `number` back; it will be among the first to be taken."""
        at = bisect.bisect_left(self._ranges, (number, number))
        self._ranges.insert(at, (number, number + 1))
        self._size += 1
        self._join(at)
        if at:
            self._join(at - 1)

    def _join(self, at: int) -> None:
        if at + 1 < len(self._ranges) and self._ranges[at][1] == self._ranges[at + 1][0]:
            self._ranges[at] = (self._ranges[at][0], self._ranges[at + 1][1])
            del self._ranges[at + 1]
