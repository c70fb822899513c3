"""One stream of server-sent events: what it follows, and what waits to be sent."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.workspace.job_records import JobRecord

_MOST_WAITING = 2000


@dataclass(frozen=True, slots=True)
class Event:
    """What is told: the whole state of one thing, so that of two the newer one is enough.

    Attributes
    ----------
    key
        Of the thing; an event that waits is replaced by a newer one of the same key.
    number
        Rises with every change; 0 for what is no place to go on from.
    """

    name: str
    key: str
    data: str
    number: int = 0

    @classmethod
    def of(cls, name: str, value: Any, *, key: str = "", number: int = 0) -> Event:
        """Return the event that tells a JSON value."""
        return cls(name, key or name, json.dumps(value, allow_nan=False), number)

    def text(self, feed: str) -> str:
        """Return the lines that are sent."""
        mark = f"id: {feed}-{self.number}\n" if self.number else ""
        return f"event: {self.name}\n{mark}data: {self.data}\n\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """What a stream is to tell.

    Attributes
    ----------
    jobs
        Names of jobs, in small letters; None: all that the caller may see.
    lanes
        Those of them of which the attempts are told too.
    logs
        Job and path of logs of which the size is told.
    kinds
        Kinds of things of which it is told that something has changed.
    resume
        The id of the last event that the caller has got; empty: none.
    """

    jobs: frozenset[str] | None = None
    lanes: frozenset[str] = frozenset()
    logs: tuple[tuple[str, str], ...] = ()
    kinds: frozenset[str] = frozenset()
    resume: str = ""

    def feed_id(self, server: str, caller: str) -> str:
        """Return what the ids of this stream begin with: a wish for other things must not go on from them."""
        parts = (server, caller, sorted(self.jobs or ()), self.jobs is None, sorted(self.lanes), self.logs)
        return hashlib.blake2s(repr(parts).encode("utf-8", "backslashreplace"), digest_size=6).hexdigest()


@dataclass(kw_only=True)
class Stream:
    """A stream, between the thread that feeds it and the event loop that sends it.

    Attributes
    ----------
    sees
        Whether its caller may know of a job.
    sees_all
        Whether its caller may know of every job.
    is_valid
        Whether the caller's credentials still let it in; asked in the feed's thread.
    known
        The jobs that it has told of.
    ended
        Why there is nothing more to come; empty as long as there may be.
    """

    caller: str
    wish: Wish
    sees: Callable[[JobRecord], bool]
    sees_all: bool
    is_valid: Callable[[], bool]
    feed_id: str = ""
    known: set[str] = field(default_factory=set)
    ended: str = ""

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()
        self._lock = threading.Lock()
        self._waiting: dict[str, Event] = {}
        self._told: dict[str, str] = {}

    def follows(self, name: str, *, named: bool) -> bool:
        """Return whether it tells of this job, as one that its wish names or as one of all."""
        if self.wish.jobs is None:
            return not named
        return named and name.lower() in self.wish.jobs

    # --- in the feed's thread

    def offer(self, event: Event) -> None:
        """Have an event sent; one of the same key that was not sent yet never is."""
        with self._lock:
            if self.ended:
                return
            self._waiting[event.key] = event
            is_slow = len(self._waiting) > _MOST_WAITING
        if is_slow:
            self.end("slow")
        self._wake()

    def offer_news(self, event: Event) -> None:
        """Have an event sent that says something else than the last one of its key."""
        if self._told.get(event.key) != event.data:
            self._told[event.key] = event.data
            self.offer(event)

    def end(self, reason: str) -> None:
        """Tell why it ends, and nothing more."""
        with self._lock:
            if self.ended:
                return
            self.ended = reason
            self._waiting.clear()
        self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed, and nobody waits
            self._loop.call_soon_threadsafe(self._news.set)

    # --- on the event loop

    async def wait(self, seconds: float) -> bool:
        """Return whether there is anything to send or an end, at the latest after so many seconds."""
        try:
            await asyncio.wait_for(self._news.wait(), seconds)
        except TimeoutError:
            return False
        self._news.clear()
        return True

    def take(self) -> str:
        """Return what is to be sent now, in an order that can be gone on from after any of it."""
        with self._lock:
            events, self._waiting = list(self._waiting.values()), {}
        # Those without a number first: they are the beginning, after which the first number stands.
        return "".join(event.text(self.feed_id) for event in sorted(events, key=lambda e: e.number))
