"""The tracker: the one process of a host that imports MLflow, run as ``python -m batchmagic.scoring.tracking.main``.

Its host tells it what to write, one JSON object a line, and hears what became of it in the same way. A store that does
not answer holds up nobody else.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import socket
import threading
from typing import TYPE_CHECKING, Any

from batchmagic.compute.lifeline import die_with_parent
from batchmagic.scoring.tracking.writer import RunWriter

if TYPE_CHECKING:
    from collections.abc import Sequence

_NICE = 10
_IDLE_SECONDS = 120.0
"""A job that follows soon finds MLflow imported, which takes as long as many a job."""
_LOOK_SECONDS = 0.25


def main(arguments: Sequence[str] | None = None) -> None:
    """Write runs until the host is gone, closes the line, or has had nothing to write for a while."""
    parser = argparse.ArgumentParser(prog="batchmagic.scoring.tracking.main")
    for name in ("parent", "lifeline", "line"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args(arguments)
    die_with_parent(parent=options.parent, lifeline=options.lifeline)
    os.nice(_NICE)
    Tracker(socket.socket(fileno=options.line)).serve()


class Tracker:
    """The loop: one run at a time.

    Parameters
    ----------
    line
        To the host.
    """

    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._inbox: queue.Queue[dict[str, Any]] = queue.Queue()
        self._writer: RunWriter | None = None

    def serve(self) -> None:
        """Do as told."""
        threading.Thread(target=self._read, name="line", daemon=True).start()
        while True:
            busy = self._writer is not None and self._writer.is_open
            try:
                self._take(self._inbox.get(timeout=_LOOK_SECONDS if busy else _IDLE_SECONDS))
            except queue.Empty:
                if not busy:
                    return
            if self._inbox.empty() and self._writer is not None:
                self._writer.work()

    def _read(self) -> None:
        with self._line.makefile("rb") as lines:
            for line in lines:
                self._inbox.put(json.loads(line))
        os._exit(0)  # also in the middle of a call that does not return

    def _take(self, message: dict[str, Any]) -> None:
        if message["op"] == "begin":
            self._writer = RunWriter(message, self._tell)
        elif self._writer is not None:
            self._writer.take(message)

    def _tell(self, answer: dict[str, Any]) -> None:
        self._line.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
