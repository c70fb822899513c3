"""One thing that a view sends as one message, when it has changed and its turn has come."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from batchmagic.widgets import kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.widgets.budget import Budget

FIRST, IN_TURN, LAST = 0, 1, 2


class Outlet:
    """What the page was told last, and how it is told anew.

    Parameters
    ----------
    make
        Returns the value as it is now.
    write
        Sends a value, as one message.
    pause
        Seconds between two messages while the job runs.
    shown
        What the page has.

    Attributes
    ----------
    at
        When the page was known to be up to date last.
    settled
        Whether the page has the last value that there will be.
    """

    def __init__(
        self, make: Callable[[], Any], write: Callable[[Any], object], *, pause: float, shown: Any
    ) -> None:
        self._make = make
        self._write = write
        self._shown = shown
        self._cell = kernel.cell()
        self.pause = pause
        self.at = time.monotonic()
        self.settled = False

    def due(self, now: float, *, final: bool) -> bool:
        """Return whether it is time to look for something new."""
        return not self.settled and (final or now - self.at >= self.pause)

    def offer(self, budget: Budget, *, final: bool) -> bool:
        """Send the value if it is new; return False if it has to wait for the budget."""
        value = self._make()
        if value != self._shown and not budget.offer(lambda: self._tell(value)):
            return False
        self._up_to_date(final=final)
        return True

    def insist(self, budget: Budget, *, final: bool, again: bool = False) -> None:
        """Send the value if it is new, as soon as it may be sent.

        Parameters
        ----------
        again
            Send it also if another cell ran when it was sent: what runs notebooks drops such a message.
        """
        value = self._make()
        if value != self._shown or (again and self._cell != kernel.cell()):
            budget.insist(lambda: self._tell(value))
        self._up_to_date(final=final)

    def _up_to_date(self, *, final: bool) -> None:
        self.at, self.settled = time.monotonic(), final

    def _tell(self, value: Any) -> None:
        self._write(value)
        self._shown, self._cell = value, kernel.cell()
