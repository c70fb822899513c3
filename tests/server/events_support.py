"""A client of server-sent events, which reads as long as the server sends."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote, urlencode

from server_support import HOST

from batchmagic.server.routes import PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from server_support import Server

PATIENCE = 60.0


@dataclass(frozen=True)
class Told:
    """One event."""

    name: str
    id: str
    data: Any
    at: float = field(default_factory=time.monotonic, compare=False)


class Follower:
    """Reads a stream in a thread until the server ends it or `close` is called."""

    def __init__(
        self,
        server: Server,
        token: str,
        *,
        query: Mapping[str, str] | str = "",
        last: str = "",
        reads: bool = True,
    ) -> None:
        text = query if isinstance(query, str) else urlencode(query, quote_via=quote)
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {token}", **({"Last-Event-ID": last} if last else {})}
        self._connection.request("GET", f"{PREFIX}/events{text and f'?{text}'}", headers=headers)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self.told: list[Told] = []
        self.comments: list[str] = []
        self.retry = ""
        self.is_over = False
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        if reads:
            self._thread.start()

    def read(self) -> Self:
        """Begin to read, where that was left for later."""
        self._thread.start()
        return self

    def _read(self) -> None:
        fields: dict[str, str] = {}
        try:
            while line := self.answer.readline():
                name, _, value = line.decode().rstrip("\n").partition(":")
                if line.startswith(b":"):
                    self.comments.append(value.strip())
                elif name:
                    fields[name] = value.strip()
                    self.retry = fields.get("retry", self.retry)
                if line.strip():
                    continue
                if "event" in fields:
                    self._note(Told(fields["event"], fields.get("id", ""), json.loads(fields["data"])))
                fields = {}
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # closed by us or broken off by the server: either way it is over
        with self._news:
            self.is_over = True
            self._news.notify_all()

    def _note(self, told: Told) -> None:
        with self._news:
            self.told.append(told)
            self._news.notify_all()

    def wait(self, fits: Callable[[Told], Any], *, of: str, since: int = 0) -> Told:
        """Return the first event that fits, of those from number `since` on."""

        def found() -> Told | None:
            return next((told for told in self.told[since:] if fits(told)), None)

        with self._news:
            self._news.wait_for(lambda: found() or self.is_over, PATIENCE)
            event = found()
        assert event is not None, f"{of} was not told: {[(t.name, t.data) for t in self.told][-8:]}"
        return event

    def ready(self) -> Told:
        """Return the event that ends the beginning."""
        return self.wait(lambda told: told.name == "ready", of="the end of the beginning")

    def job(self, name: str, *statuses: str) -> Told:
        """Return the first event that tells the job in one of the states."""
        return self.wait(
            lambda told: told.name == "job" and told.data["name"] == name and told.data["status"] in statuses,
            of=f"{name} {statuses}",
        )

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """Return all documents of a job that were told."""
        return [told.data for told in self.told if told.name == "job" and told.data["name"] == name]

    @property
    def last(self) -> str:
        """The id of the last event that had one."""
        return next(told.id for told in reversed(self.told) if told.id)

    def over(self) -> str:
        """Wait for the server's end of the stream, and return what it said of it."""
        with self._news:
            assert self._news.wait_for(lambda: self.is_over, PATIENCE), "the stream goes on"
        bye = [told.data["reason"] for told in self.told if told.name == "bye"]
        return bye[-1] if bye else ""

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            # The thread reads from it just now, and only this makes it stop.
            self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread.ident is not None:
            self._thread.join()
        self._connection.close()
        self.answer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()
