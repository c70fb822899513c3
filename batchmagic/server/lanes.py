"""Threads in which requests wait for disks and locks: some for each kind of work, so that none waits for another."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Literal, ParamSpec, TypeVar

from batchmagic.errors import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")
R = TypeVar("R")

Kind = Literal["door", "read", "write", "files"]
"""`door`: who asks; `read`: what the store knows; `write`: all that may wait for its lock or for a caller's input;
`files`: logs and outputs, on whatever disk they are."""
_THREADS: dict[Kind, int] = {"door": 4, "read": 8, "write": 8, "files": 4}
_WAITING = 256
_AGAIN = 2

LANE: contextvars.ContextVar[Kind] = contextvars.ContextVar("LANE", default="read")
"""What kind of work the request is that is being answered."""


class Lane:
    """The threads for one kind of work.

    Parameters
    ----------
    name
        Of the threads.
    threads
        How many.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=f"batchmagic-{name}")
        self._under_way = 0

    async def run(self, function: Callable[P, R], *args: P.args, **values: P.kwargs) -> R:
        """Return what the function returns, which runs in one of the threads.

        Raises
        ------
        TooManyRequests
            If very much waits already.
        """
        if self._under_way >= _WAITING:
            raise TooManyRequests(f"{_WAITING} requests of this kind are under way.", retry_after=_AGAIN)
        self._under_way += 1
        try:
            context = contextvars.copy_context()
            work = functools.partial(context.run, function, *args, **values)
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._under_way -= 1

    def submit(self, function: Callable[P, object], *args: P.args, **values: P.kwargs) -> None:
        """Have the function run soon; nobody waits for it."""
        self._pool.submit(function, *args, **values)

    def close(self, *, drop: bool = True) -> None:
        """Wait for what has begun; what has not is dropped, or done too."""
        self._pool.shutdown(wait=True, cancel_futures=drop)


def lanes() -> dict[Kind, Lane]:
    """Return a lane of each kind."""
    return {kind: Lane(kind, threads) for kind, threads in _THREADS.items()}
