"""How many mini-batches a lease carries, and how many slots an instance gets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchmagic.scoring.events import Attempt

LEASES_PER_SLOT = 2
TARGET_SECONDS = 0.2
LEAST_SECONDS = 0.02  # below this a lease costs more than what it carries
MAX_MEMBERS = 2000
MAX_BYTES = 8 * 1024 * 1024
_GROWTH = 4
_WEIGHT = 0.3
_MEMORY_SHARE = 0.8


class LeaseSize:
    """The size of the next lease, from what the last ones took.

    A lease aims at 0.2 s of work and 8 MiB of results, is at most four times the last one, and gets smaller
    near the end, so that the slots finish together.
    """

    def __init__(self) -> None:
        self._seconds: float | None = None
        self._bytes = 0.0
        self._last = 1

    def learn(self, succeeded: Sequence[Attempt]) -> None:
        """Take the mini-batches of one lease into the running averages.

        Only successful ones: a timeout of seconds says nothing about how long the others take.
        """
        if not succeeded:
            return
        seconds = sum(a.seconds for a in succeeded) / len(succeeded)
        nbytes = sum(a.nbytes for a in succeeded) / len(succeeded)
        if self._seconds is None:
            self._seconds, self._bytes = seconds, nbytes
        self._seconds += _WEIGHT * (seconds - self._seconds)
        self._bytes += _WEIGHT * (nbytes - self._bytes)
        self._last = max(1, min(MAX_MEMBERS, max(self._last, len(succeeded))))

    def next_size(self, remaining: int, window: int) -> int:
        """Return how many of `remaining` mini-batches to lease when `window` leases may be out at once."""
        if self._seconds is None:
            return 1
        by_time = TARGET_SECONDS / max(self._seconds, 1e-7)
        by_bytes = MAX_BYTES / max(self._bytes, 1.0)
        by_tail = max(remaining / (2 * max(window, 1)) + 1, LEAST_SECONDS / max(self._seconds, 1e-7))
        return max(1, int(min(by_time, by_bytes, by_tail, MAX_MEMBERS, _GROWTH * self._last)))

    def leased(self, count: int) -> None:
        """Remember the lease that was made: fewer than `next_size` said where the mini-batches were not in a row."""
        self._last = count


def slots_that_fit(*, cores: int, memory: int, peak: int) -> int:
    """Return how many scoring processes an instance can run side by side.

    Parameters
    ----------
    cores
        Usable cores of the instance.
    memory
        Its memory limit in bytes.
    peak
        Peak memory of one scoring process in bytes, measured or as the deployment says.
    """
    by_memory = int(_MEMORY_SHARE * memory / max(peak, 1))
    return max(1, min(cores, by_memory))
