"""What ``begin_*`` returns: Azure's long-running-operation poller, over work that is mostly done at once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_INTERVAL = 0.1


class LROPoller(Generic[T]):
    """An operation that has begun, and its result once it has ended.

    Parameters
    ----------
    look
        Returns ``(ended, value)`` as it is now; the value counts once `ended` is true.
    """

    def __init__(self, look: Callable[[], tuple[bool, T]]) -> None:
        self._look = look
        self._ended, self._value = look()

    def done(self) -> bool:
        """Return whether the operation has ended."""
        if not self._ended:
            self._ended, self._value = self._look()
        return self._ended

    def status(self) -> str:
        """Return ``Succeeded`` once the operation has ended, else ``InProgress``."""
        return "Succeeded" if self.done() else "InProgress"

    def wait(self, timeout: float | None = None) -> None:
        """Return when the operation has ended, or when `timeout` seconds have passed."""
        limit = None if timeout is None else time.monotonic() + timeout
        while not self.done() and (limit is None or time.monotonic() < limit):
            time.sleep(_INTERVAL)

    def result(self, timeout: float | None = None) -> T:
        """Return the operation's result, after waiting for it.

        Raises
        ------
        TimeoutError
            If it has not ended after `timeout` seconds.
        """
        self.wait(timeout)
        if not self._ended:
            raise TimeoutError(f"The operation has not ended after {timeout} s.")
        return self._value


def finished(value: T) -> LROPoller[T]:
    """Return the poller of an operation that has ended with `value`."""
    return LROPoller(lambda: (True, value))
