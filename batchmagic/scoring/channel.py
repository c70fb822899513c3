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


@dataclass(frozen=True, slots=True)
class Exited:
    """The process is gone.

    Attributes
    ----------
    status
        The raw wait status; None if the template went with it.
    max_rss
        Its peak memory in KiB, 0 if unknown.
    """

    status: int | None
    max_rss: int = 0


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
            readers = [self._data, self._watch] if self._data_open else [self._watch]
            ready = wait(readers, deadline)
            if not ready:
                return TimedOut()
            if self._watch in ready:
                self._read_watch(deadline)

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
            self.order("kill")
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
            self._exited = Exited(frame.header["status"], frame.header.get("maxrss", 0))
