"""How much may be sent: what all live views of a kernel share, so that many of them cost no more than one."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

MOST = 3
# A little over the second that is promised: a message may reach the page sooner than the one before.
SECONDS = 1.1


class Budget:
    """Messages one after the other, never more than `most` within `seconds`.

    The clock is read before each message and again after it, so that the promise holds however slowly threads run.
    """

    def __init__(self, *, most: int = MOST, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._sent: deque[float] = deque([float("-inf")] * most, maxlen=most)
        self._turn = threading.Lock()
        self._insisting: set[object] = set()

    def pause(self) -> float:
        """Return the seconds until a message may be sent; 0 for now."""
        return max(0.0, self._sent[0] + self._seconds - time.monotonic())

    def offer(self, send: Callable[[], object]) -> bool:
        """Send if it may be sent now and nobody insists; return whether it was."""
        return not self._insisting and self._send(send)

    def insist(self, send: Callable[[], object]) -> None:
        """Send as soon as it may be sent, before everybody who only offers."""
        me = object()
        self._insisting.add(me)
        try:
            while not self._send(send):
                time.sleep(self.pause())
        finally:
            self._insisting.discard(me)

    def _send(self, send: Callable[[], object]) -> bool:
        with self._turn:
            if self.pause() > 0:
                return False
            try:
                send()
            finally:
                self._sent.append(time.monotonic())
            return True
