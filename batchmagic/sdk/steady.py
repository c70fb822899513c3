"""The time that is left, as it is shown: it falls like a clock, whatever the pace does from second to second."""

from __future__ import annotations

import math

_YOUNG = 5.0
_MEMORY = 8.0
_SLACK, _MARGIN = 2.0, 0.25
_QUICKEST, _SLOWEST = 5.0, 60.0


class Steady:
    """Turns estimates that jump into a value that falls.

    As long as the estimates are on the average about what is shown, it falls between half and one and a half seconds
    per second. Where they stay elsewhere (the job stalls, or gets more instances) it moves there within about a fifth
    of the time that is left. In the first seconds, which know little, it is the estimate.
    """

    def __init__(self) -> None:
        self._shown: float | None = None
        self._began = self._at = 0.0
        self._error = 0.0

    def follow(self, estimate: float | None, at: float) -> float | None:
        """Return what to show, after an estimate made `at` (seconds of any steady clock)."""
        if estimate is None or self._shown is None:
            self._shown, self._error, self._began, self._at = estimate, 0.0, at, at
            return estimate
        passed = max(0.0, at - self._at)
        self._at = at
        if at - self._began < _YOUNG:
            self._shown = estimate
            return estimate
        expected = max(0.0, self._shown - passed)
        # How far off it has been lately, on the average: one estimate says little.
        self._error += (estimate - expected - self._error) * _share(passed, _MEMORY)
        step = self._error * _share(passed, _quickness(min(estimate, expected)))
        if abs(self._error) <= _SLACK + _MARGIN * expected:
            step = max(-passed / 2, min(passed / 2, step))
        self._error -= step
        self._shown = expected + step
        return self._shown


def _share(passed: float, seconds: float) -> float:
    """Return how much of a way that takes about so many seconds is gone by now."""
    return -math.expm1(-passed / seconds)


def _quickness(left: float) -> float:
    return min(_SLOWEST, max(_QUICKEST, left / 5))
