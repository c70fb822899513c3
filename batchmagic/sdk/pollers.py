"""What ``begin_*`` returns: Azure's long-running-operation poller, over work that is mostly done at once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from batchmagic.sdk.refusals import Refusing

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

_INTERVAL = 0.1


class LROPoller(Refusing, Generic[T]):
    """An operation that has begun, and its result once it has ended.

    Parameters
    ----------
    look
        Returns ``(ended, value)`` as it is now; the value counts once `ended` is true.
    """

    def __init__(self, look: Callable[[], tuple[bool, T]]) -> None:
        self._look = look
        self._callbacks: list[Callable[[LROPoller[T]], object]] = []
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

    def add_done_callback(self, func: Callable[[LROPoller[T]], object]) -> None:
        """Have `func` called with this poller once the operation has ended, in another thread if it has not yet."""
        self._callbacks.append(func)
        if self.done():
            self._call(func)
        else:
            threading.Thread(target=self._wait_and_call, args=(func,), daemon=True).start()

    def remove_done_callback(self, func: Callable[[LROPoller[T]], object]) -> None:
        """Undo `add_done_callback`.

        Raises
        ------
        ValueError
            When the operation has ended: the callback was called then, or was never added.
        """
        if func not in self._callbacks:
            raise ValueError("The callback was called already, or never added.")
        self._callbacks.remove(func)

    def _wait_and_call(self, func: Callable[[LROPoller[T]], object]) -> None:
        self.wait()
        if func in self._callbacks:
            self._call(func)

    def _call(self, func: Callable[[LROPoller[T]], object]) -> None:
        self._callbacks.remove(func)
        func(self)


def finished(value: T) -> LROPoller[T]:
    """Return the poller of an operation that has ended with `value`."""
    return LROPoller(lambda: (True, value))
