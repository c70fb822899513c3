"""What all streams of one server are fed from: one thread that reads the workspace for them.

Nothing is read while nobody listens, and nothing twice however many listen. A job is told as its whole document, at
most three times a second; whoever reads slowly gets the newest. The numbers of events rise over all streams, and what
changed since a number is known as long as the server runs.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import Counter, deque
from typing import TYPE_CHECKING

from batchmagic.errors import BatchMagicError, TooManyRequests
from batchmagic.server.stream import Event, Stream
from batchmagic.server.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchmagic.sdk.session import Session
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.changes import Change, Changes
    from batchmagic.workspace.job_records import JobRecord

log = logging.getLogger("batchmagic.server")

MOST_STREAMS, MOST_OF_CALLER = 200, 20
FIRST_JOBS = 100
_MOST_JOBS = 1000
_BEAT, _ASIDE, _ASK, _LOOK_AFTER = 0.35, 1.0, 2.0, 10.0
_TROUBLED = 2.0
_SHARE = 4
_RETRY = 10
_STOP_SECONDS = 5.0
_GONE = 1000


class Feed:
    """Reads one workspace for all streams of a server.

    Parameters
    ----------
    session
        Of the workspace, which need not exist yet.
    size_of
        Returns how long a log of a job is; None where there is none that may be read.
    """

    def __init__(
        self, session: Session, *, size_of: Callable[[Workspace, JobRecord, str], int | None]
    ) -> None:
        self._session = session
        self._size_of = size_of
        self._id = secrets.token_hex(6)
        self._number = 1
        self._streams: list[Stream] = []
        self._new: list[Stream] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._empty = asyncio.Event()
        self._changes: Changes | None = None
        self._watched = Watched(session)
        self._changed: dict[str, int] = {}
        self._kinds: dict[str, int] = {}
        self._gone: deque[tuple[int, str]] = deque(maxlen=_GONE)
        self._dirty: set[str] = set()
        self._trouble: Event | None = None
        self._times: dict[str, float] = {}

    # --- on the event loop

    def add(self, stream: Stream) -> None:
        """Feed this stream until it is removed.

        Raises
        ------
        TooManyRequests
            If there are so many already, of this caller or in all.
        """
        with self._lock:
            known = [*self._streams, *self._new]
            own = Counter(s.caller for s in known)[stream.caller]
            if self._stopping or len(known) >= MOST_STREAMS or own >= MOST_OF_CALLER:
                raise TooManyRequests(
                    f"There are {own if own >= MOST_OF_CALLER else len(known)} streams of events already.",
                    retry_after=_RETRY,
                    target="events",
                )
            stream.feed_id = stream.wish.feed_id(self._id, stream.caller)
            self._new.append(stream)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="batchmagic-feed", daemon=True)
                self._thread.start()
        self._wake.set()

    def remove(self, stream: Stream) -> None:
        """Feed it no more."""
        with self._lock:
            for streams in (self._streams, self._new):
                if stream in streams:
                    streams.remove(stream)
            if not self._streams and not self._new:
                self._empty.set()
        self._wake.set()

    @property
    def streams(self) -> int:
        """How many there are."""
        with self._lock:
            return len(self._streams) + len(self._new)

    async def stop(self) -> None:
        """End all streams, wait until they have said so, and read no more."""
        with self._lock:
            self._stopping = True
            streams = [*self._streams, *self._new]
        self._empty.clear()
        for stream in streams:
            stream.end("stopping")
        self._wake.set()
        if streams:
            try:
                await asyncio.wait_for(self._empty.wait(), _STOP_SECONDS)
            except TimeoutError:
                log.warning("%d streams of events were cut off.", self.streams)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOP_SECONDS)

    # --- in the thread

    def _run(self) -> None:
        pause: float | None = None
        while not self._stopping:
            self._wake.wait(pause)
            self._wake.clear()
            began = time.monotonic()
            with self._lock:
                new, self._new = self._new, []
                self._streams += new
                streams = list(self._streams)
            if not streams:
                self._watched.keep(_wanted_by([]))
                pause = None
                continue
            pause = self._beat_safely(streams, new, began)
            # On a slow disk the reading must not be all that it does.
            pause = max(pause, _SHARE * (time.monotonic() - began))
        self._watched.keep(_wanted_by([]))
        if self._changes is not None:
            self._changes.close()

    def _beat_safely(self, streams: list[Stream], new: list[Stream], now: float) -> float:
        """Do one round and return the seconds until the next one."""
        try:
            self._beat(streams, new, now)
        except Exception as error:
            known = isinstance(error, BatchMagicError)
            log.warning("The events of jobs cannot be read: %s", error, exc_info=not known)
            self._tell_trouble(streams, new, error)
            # Those that are new are to be told everything once it works again.
            with self._lock:
                welcome = [stream for stream in new if stream in self._streams]
                self._streams = [stream for stream in self._streams if stream not in welcome]
                self._new += welcome
            return _TROUBLED
        if self._trouble is not None:
            self._trouble = None
            _offer(streams, Event.of("trouble", None))
        return _BEAT

    def _beat(self, streams: list[Stream], new: list[Stream], now: float) -> None:
        if self._is_time("ask", now, _ASK):
            self._ask(streams)
        ws = self._session.peek()
        if ws is not None:
            told = [stream for stream in streams if stream not in new]
            self._note(self._look(ws), told)
            self._dirty |= self._watched.moving(now)
            due = {name for name in self._dirty if self._watched.is_due(name, now)}
            self._tell(due, told, now)
            self._dirty -= due
        while new:
            self._welcome(new[0], now)
            new.pop(0)  # who has been told the beginning is not told it again if the rest goes wrong
        if ws is None:
            return
        self._watched.keep(_wanted_by(streams))
        if self._is_time("aside", now, _ASIDE):
            self._tell_aside(ws, streams)
        if self._is_time("look after", now, _LOOK_AFTER):
            self._look_after()

    def _look_after(self) -> None:
        """See to it that jobs whose compute lost its host get one."""
        try:
            self._session.look_after(self._watched.unfinished())
        except (BatchMagicError, OSError) as error:
            # They are told all the same, and another may start the host.
            log.warning("The host of a compute could not be started: %s", error)

    def _is_time(self, what: str, now: float, seconds: float) -> bool:
        if now - self._times.get(what, float("-inf")) < seconds:
            return False
        self._times[what] = now
        return True

    def _ask(self, streams: Iterable[Stream]) -> None:
        """End the streams of those whose credentials are good no more."""
        for stream in streams:
            if not stream.is_valid():
                stream.end("not_authenticated")

    def _look(self, ws: Workspace) -> Change:
        if self._changes is None:
            from batchmagic.workspace.changes import Changes  # noqa: PLC0415 - brings SQLAlchemy

            self._changes = Changes(ws.database, ws.root)
        return self._changes.look()

    def _note(self, change: Change, streams: list[Stream]) -> None:
        """Remember under a new number what has changed, and tell what needs no reading."""
        for name in change.gone:
            number = self._next()
            self._changed.pop(name, None)
            self._dirty.discard(name)
            self._gone.append((number, name))
            for stream in streams:
                self._tell_gone(stream, name, number)
        for name in change.jobs:
            self._changed[name] = self._next()
            self._dirty.add(name)
        for kind in change.kinds:
            self._kinds[kind] = self._next()
            _offer([s for s in streams if kind in s.wish.kinds], _changed(kind, self._kinds[kind]))

    def _next(self) -> int:
        self._number += 1
        return self._number

    # --- a new stream

    def _welcome(self, stream: Stream, now: float) -> None:
        """Tell a stream all that it follows, or what has changed since it was there last."""
        since = self._known_since(stream)
        first, shown = self._first_jobs(stream, since), 0
        records = self._changes.records(first) if self._changes is not None else {}
        for name in first:
            record = records.get(name)
            if record is None or not stream.sees(record):
                if stream.wish.jobs is not None:
                    # Not there, or nothing that this caller may know of: nobody is told which.
                    stream.offer(Event.of("gone", {"name": name}, key=f"job/{name.lower()}"))
                continue
            named = stream.wish.jobs is not None
            event = self._watched.event(record, named=named, now=None)
            self._watched.is_news(record.name, named=named, event=event, now=now)
            stream.known.add(record.name.lower())
            stream.offer(event)
            shown += 1
        if since is not None:
            self._tell_missed(stream, since)
        # The number stands after all of the beginning: who loses the line before has got nothing to go on from.
        ready = {"resumed": since is not None, "jobs": shown}
        stream.offer(Event.of("ready", ready, number=self._number))

    def _known_since(self, stream: Stream) -> int | None:
        """Return the number from which the stream may go on; None: it must begin."""
        feed, _, number = stream.wish.resume.rpartition("-")
        if feed != stream.feed_id or not number.isdecimal() or int(number) > self._number:
            return None
        forgotten = self._gone[0][0] - 1 if len(self._gone) == _GONE else 0
        # Whom a job that is gone had been shown is not known any more.
        return None if not stream.sees_all or int(number) < forgotten else int(number)

    def _first_jobs(self, stream: Stream, since: int | None) -> list[str]:
        wanted = stream.wish.jobs
        if since is not None:
            changed = [name for name, number in self._changed.items() if number > since]
            return [name for name in changed if wanted is None or name.lower() in wanted]
        if wanted is not None:
            return sorted(wanted)
        if self._changes is None:
            return []
        return list(
            dict.fromkeys([*self._changes.newest(FIRST_JOBS), *self._changes.unfinished()[-_MOST_JOBS:]])
        )

    def _tell_missed(self, stream: Stream, since: int) -> None:
        for number, name in self._gone:
            if number > since and name not in self._changed:
                self._tell_gone(stream, name, 0)
        for kind, number in self._kinds.items():
            if number > since and kind in stream.wish.kinds:
                stream.offer(_changed(kind, 0))

    def _tell_gone(self, stream: Stream, name: str, number: int) -> None:
        wanted, lowered = stream.wish.jobs, name.lower()
        is_known = stream.sees_all or lowered in stream.known
        if is_known and (wanted is None or lowered in wanted):
            stream.offer(Event.of("gone", {"name": name}, key=f"job/{name.lower()}", number=number))

    # --- jobs

    def _tell(self, names: set[str], streams: list[Stream], now: float) -> None:
        if self._changes is None:
            return
        for name in names & self._changed.keys():
            # Of what was not told at once the time is now, also for those who come back to hear it.
            self._changed[name] = self._next()
        followed = {
            (name, named) for name in names for named in (True, False) if _followers(streams, name, named)
        }
        records = self._changes.records(sorted({name for name, _ in followed}))
        for name, named in sorted(followed):
            record = records.get(name)
            if record is None:
                continue  # deleted just now; the next look tells it
            event = self._watched.event(record, named=named, now=now)
            if not self._watched.is_news(record.name, named=named, event=event, now=now):
                continue
            number = self._changed[record.name] = self._next()
            told = Event(event.name, event.key, event.data, number)
            for stream in _followers(streams, name, named):
                if stream.sees(record):
                    stream.known.add(record.name.lower())
                    stream.offer(told)

    def _tell_aside(self, ws: Workspace, streams: list[Stream]) -> None:
        """Tell the attempts of jobs and the sizes of logs, to those who asked for them and may know of the job."""
        for stream in streams:
            for name in stream.wish.lanes & stream.known:
                event = self._watched.lanes(name)
                if event is not None:
                    stream.offer_news(event)
            for name, path in stream.wish.logs:
                record = self._watched.record(name) if name in stream.known else None
                size = None if record is None else self._size_of(ws, record, path)
                if record is not None and size is not None:
                    told = {"job": record.name, "path": path, "size": size}
                    stream.offer_news(Event.of("log", told, key=f"log/{name}/{path}"))

    def _tell_trouble(self, streams: list[Stream], new: list[Stream], error: Exception) -> None:
        code = error.code if isinstance(error, BatchMagicError) else "internal_server_error"
        event = Event.of("trouble", {"code": code, "message": "The workspace cannot be read now."})
        _offer(streams if event != self._trouble else new, event)
        self._trouble = event


def _wanted_by(streams: list[Stream]) -> Callable[[JobRecord, bool], bool]:
    """Return what tells whether any of the streams needs a job to be watched."""
    names = {name for stream in streams for name in stream.wish.jobs or ()}
    follow_all = any(stream.wish.jobs is None for stream in streams)

    def wanted(record: JobRecord, named: bool) -> bool:  # noqa: FBT001 - of the key
        return record.name.lower() in names if named else follow_all and not record.status.is_terminal

    return wanted


def _followers(streams: Iterable[Stream], name: str, named: bool) -> list[Stream]:  # noqa: FBT001 - of the key
    return [stream for stream in streams if stream.follows(name, named=named)]


def _offer(streams: Iterable[Stream], event: Event) -> None:
    for stream in streams:
        stream.offer(event)


def _changed(kind: str, number: int) -> Event:
    return Event.of("changed", {"kind": kind}, key=f"changed/{kind}", number=number)
