"""The leases that wait for a slot of an instance, in the order in which they were sent."""

from __future__ import annotations

import threading


class LeaseQueue:
    """Who is first among the threads that wait: Dask starts one for each lease, and they race for the first lock.

    It has a lock of its own, so that a lease takes its place also while another makes its slot.
    """

    def __init__(self) -> None:
        self._numbers: set[int] = set()
        self._lock = threading.Lock()

    def enter(self, number: int) -> None:
        """Take a place in the queue."""
        with self._lock:
            self._numbers.add(number)

    def leave(self, number: int) -> None:
        """Give the place up."""
        with self._lock:
            self._numbers.discard(number)

    def is_first(self, number: int) -> bool:
        """Return whether no lease that was sent before waits."""
        with self._lock:
            return number <= min(self._numbers)
