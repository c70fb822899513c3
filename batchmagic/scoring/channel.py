"""The two sockets of one scoring process: frames on the one, its life and death on the other."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.scoring.child.frames import Frame, FrameError, FrameReader, FrameTimeout, send, wait

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable


# A process that dies closes its sockets a moment before its end is told.
_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Exited:
    """The process is gone.

    Attributes
    ----------
    status
        The raw wait status; None if the template went with it.
    max_rss
        Its peak memory in KiB, 0 if unknown.
    hung_up
        Whether it lived on after it had closed its connection, and was ended for that.
    """

    status: int | None
    max_rss: int = 0
    hung_up: bool = False


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nothing came before the deadline."""


class Channel:
    """The owner's ends of a scoring process's sockets.

    Parameters
    ----------
    data
        Leases one way, results the other.
    watch
        To the template: dump and kill; from it: started and exit. Closing it kills the process's group.
    """

    def __init__(self, data: socket.socket, watch: socket.socket) -> None:
        self._data = FrameReader(data)
        self._watch = FrameReader(watch)
        self._data_open = True
        self._closed_at = 0.0
        self._hung_up = False
        self._exited: Exited | None = None
        self.pid: int | None = None

    def send(self, header: dict[str, Any]) -> bool:
        """Send a frame to the scoring process; False if it is gone, and `receive` then tells how."""
        try:
            send(self._data.socket, header)
        except OSError:
            return False
        return True

    def order(self, word: str) -> None:
        """Ask the template to ``dump`` the process's traceback or to ``kill`` its group."""
        # If the template has hung up, how the process ended may still wait in the socket to be read.
        with contextlib.suppress(OSError):
            send(self._watch.socket, {"op": word})

    def receive(
        self, deadline: float, sink: Callable[[memoryview], object] | None = None
    ) -> Frame | Exited | TimedOut:
        """Return the next frame, or how the process ended, or that `deadline` (monotonic) passed.

        Frames that were sent before the end are returned before it. Raw bytes go to `sink`.
        """
        while True:
            frame = self._frame(deadline, sink)
            if frame is not None:
                return frame
            if self._exited is not None:
                return self._exited
            if self._data_open:
                ready = wait([self._data, self._watch], deadline)
            else:
                ready = self._await_exit(deadline)
            if not ready:
                return TimedOut()
            if self._watch in ready:
                self._read_watch(deadline)

    def has_ended(self) -> bool:
        """Whether the process is gone already; to be asked between leases, when it has nothing to say."""
        while self._exited is None and wait([self._watch], time.monotonic()):
            self._read_watch(time.monotonic() + _PATIENCE)
        return self._exited is not None

    def _await_exit(self, deadline: float) -> list[FrameReader]:
        """Wait for the end of a process whose connection is closed; one that lives on is ended."""
        ready = wait([self._watch], min(deadline, self._closed_at + _PATIENCE))
        if not ready and not self._hung_up and time.monotonic() >= self._closed_at + _PATIENCE:
            self._hung_up = True
            self.order("kill")
        return ready or wait([self._watch], deadline)

    def wait_exit(self, deadline: float) -> Exited | TimedOut:
        """Return how the process ended; what it still had to say is dropped."""
        while True:
            message = self.receive(deadline, sink=len)
            if not isinstance(message, Frame):
                return message

    def close(self) -> None:
        """Close both sockets, which ends the process and its group if they are still there."""
        self._data.socket.close()
        self._watch.socket.close()

    def _frame(self, deadline: float, sink: Callable[[memoryview], object] | None) -> Frame | TimedOut | None:
        if not self._data_open or not wait([self._data], time.monotonic()):
            return None
        try:
            frame = self._data.read(deadline, sink=sink)
        except FrameTimeout:
            return TimedOut()
        except FrameError:
            frame = None
        if frame is None:
            # Not yet a death: the script may have closed every descriptor. The wait status decides.
            self._data_open = False
            self._closed_at = time.monotonic()
        return frame

    def _read_watch(self, deadline: float) -> None:
        try:
            frame = self._watch.read(deadline)
        except FrameError:
            frame = None
        if frame is None:
            self._exited = Exited(None)
        elif frame.header["op"] == "started":
            self.pid = frame.header["pid"]
        elif frame.header["op"] == "exit":
            header = frame.header
            self._exited = Exited(header["status"], header.get("maxrss", 0), self._hung_up)
