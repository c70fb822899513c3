"""Server-sent events: how jobs stand, from now on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tornado.iostream import StreamClosedError

from batchmagic.errors import ValidationException
from batchmagic.server.actions import action
from batchmagic.server.base import BatchHandler
from batchmagic.server.files import parts_of
from batchmagic.server.sending import cut
from batchmagic.server.stream import Event, Stream, Wish
from batchmagic.workspace.vocabulary import CHANGED_KINDS, CHILD_SUFFIX, TOKEN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable

_RETRY_MS = 2000
_STALLED = 60.0
_MOST_JOBS, _MOST_LOGS = 200, 8
_LONGEST = 64_000
# What a caller of one endpoint may know of beside its jobs.
_OF_ENDPOINT = frozenset({"deployments", "endpoints", "jobs"})


class Events(BatchHandler):
    """One stream for a whole page: who wants to follow other jobs opens another one and closes this."""

    _stream: Stream | None = None

    @action(
        scope="read",
        own_jobs=True,
        any_endpoint=True,
        summary="Follow jobs by server-sent events",
        answer="Text",
        media="text/event-stream",
        query=(
            ("jobs", f"Names of at most {_MOST_JOBS} jobs, with commas; without it all jobs"),
            ("lanes", "Those of them of which the attempts are told too"),
            ("log", "JOB/PATH of a log of which the size is told as it grows; may come several times"),
            ("last_event_id", "As the header Last-Event-ID: where to go on"),
        ),
    )
    async def get(self) -> None:
        """Send what changes, until the caller goes, or may not know of it any more, or the server stops."""
        stream = Stream(
            caller=self.caller.name,
            wish=self._wish(),
            sees=self.caller.sees,
            sees_all="read" in self.caller.scopes and self.caller.endpoint is None,
            is_valid=self._check(),
        )
        self.set_header("Content-Type", "text/event-stream; charset=utf-8")
        self.set_header("X-Accel-Buffering", "no")
        self.service.feed.add(stream)
        self._stream = stream
        try:
            await self._send(f"retry: {_RETRY_MS}\n\n")
            while not stream.ended:
                told = await stream.wait(self.service.heartbeat)
                await self._send(stream.take() if told else ": still here\n\n")
            await self._send(Event.of("bye", {"reason": stream.ended}).text(stream.feed_id))
            await self.finish()
        except (StreamClosedError, TimeoutError):
            return  # gone, or it has not read anything for long
        finally:
            self.service.feed.remove(stream)

    def on_connection_close(self) -> None:
        """Stop at once when the other side has gone."""
        super().on_connection_close()
        if self._stream is not None:
            self._stream.end("gone")

    async def _send(self, text: str) -> None:
        if not text:
            return
        self.write(text)
        try:
            # What is not taken is not followed by more; newer states take its place meanwhile.
            await asyncio.wait_for(self.flush(), _STALLED)
        except TimeoutError:
            cut(self)
            raise

    def _wish(self) -> Wish:
        named = self.get_query_argument("jobs", None)
        jobs = None if named is None else _names("jobs", named)
        lanes = _names("lanes", self.get_query_argument("lanes", ""))
        logs = tuple(self._named_log(text) for text in self.get_query_arguments("log"))
        asked = {*lanes, *(job for job, _ in logs)}
        if not asked <= (jobs or frozenset()):
            raise ValidationException(
                field="lanes" if lanes - (jobs or frozenset()) else "log",
                value=", ".join(sorted(asked)),
                reason="is of a job that is not among `jobs`",
                hint="Name it there too.",
            )
        if len(logs) > _MOST_LOGS:
            raise ValidationException(
                field="log", value=len(logs), reason=f"comes more than {_MOST_LOGS} times"
            )
        restricted = self.caller.endpoint is not None or "read" not in self.caller.scopes
        return Wish(
            jobs=jobs,
            lanes=lanes,
            logs=logs,
            kinds=_OF_ENDPOINT if restricted else frozenset(CHANGED_KINDS),
            resume=self.request.headers.get("Last-Event-ID") or self.get_query_argument("last_event_id", ""),
        )

    def _named_log(self, text: str) -> tuple[str, str]:
        job, _, path = text.partition("/")
        (name,) = _names("log", job) or {""}
        parts_of(path)
        return name, path

    def _check(self) -> Callable[[], bool]:
        """Return what tells whether the credentials are still good: of a token that may change at any time."""
        text = self.bearer()
        if text is None or not text.startswith(TOKEN_PREFIX):
            return lambda: True
        tokens = self.service.workspace().tokens
        return lambda: tokens.find(text) is not None


def _names(field: str, text: str) -> frozenset[str]:
    names = frozenset(
        name.strip().lower().removesuffix(CHILD_SUFFIX) for name in text.split(",") if name.strip()
    )
    if len(names) > _MOST_JOBS or len(text) > _LONGEST:
        raise ValidationException(
            field=field,
            value=len(names),
            reason=f"are more than {_MOST_JOBS} jobs",
            hint="Without `jobs` the stream tells of all of them.",
        )
    return names
