"""The standard streams of a scoring process: lines stay whole, whichever of the script's threads write them."""

from __future__ import annotations

import errno
import io
import os
import threading
from typing import Any

# A line that is longer than this is written in pieces; memory must not grow with what has no end.
_LONGEST = 1 << 16

_made: list[Lines] = []


class _Log(io.FileIO):
    """A file that takes everything: what a full disk does not hold is lost, and no reason for a script to fail.

    That the disk is full is told by who writes the rows.
    """

    def write(self, data: Any) -> int:
        """Write, or drop what there is no room for."""
        try:
            return super().write(data) or 0
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return len(data)


class Lines(io.TextIOWrapper):
    """A text stream on a descriptor that writes line by line, each with one call of the system.

    ``print`` writes a text and its end one after the other; between them another thread may write. What a
    thread has begun is therefore kept until its line ends, until that thread flushes, or until it is gone.
    """

    def __init__(self, fd: int) -> None:
        binary = io.BufferedWriter(_Log(fd, "wb", closefd=False))
        super().__init__(binary, encoding="utf-8", errors="backslashreplace", line_buffering=True)
        self._begun: dict[int, list[str]] = {}
        self._turn = threading.RLock()
        _made.append(self)

    def write(self, text: str) -> int:
        """Take text; what of it ends a line is in the file then."""
        if not isinstance(text, str) or self.closed:
            return super().write(text)  # which raises
        with self._turn:
            me = threading.get_ident()
            # A carriage return draws the line anew: whoever writes it wants to be seen at once.
            end = len(text) if "\r" in text or len(text) > _LONGEST else text.rfind("\n") + 1
            if end:
                pieces = self._begun.pop(me, None)
                whole = text[:end]
                super().write(whole if pieces is None else "".join([*pieces, whole]))
            if end < len(text):
                self._keep(me, text[end:] if end else text)
        return len(text)

    def _keep(self, me: int, text: str) -> None:
        pieces = self._begun.setdefault(me, [])
        pieces.append(text)
        if len(pieces) > _LONGEST >> 6 or sum(map(len, pieces[-64:])) > _LONGEST:
            super().write("".join(self._begun.pop(me)))

    def flush(self) -> None:
        """Write what this thread has begun, and what threads have that are gone."""
        with self._turn:
            if self._begun and not self.closed:
                alive = {thread.ident for thread in threading.enumerate()} - {threading.get_ident()}
                for ident in [ident for ident in self._begun if ident not in alive]:
                    super().write("".join(self._begun.pop(ident)))
            super().flush()

    def drain(self) -> None:
        """Write everything that any thread has begun."""
        with self._turn:
            while self._begun and not self.closed:
                super().write("".join(self._begun.popitem()[1]))
            super().flush()

    def forget(self) -> None:
        """Drop what is begun and held: the process that this one was forked from writes it."""
        self._turn = threading.RLock()
        self._begun.clear()


def drain() -> None:
    """Write everything that is still begun on the streams of this process."""
    for stream in _made:
        try:
            stream.drain()
        except Exception:  # noqa: BLE001, PERF203, S112 -- the script may have closed it or its file
            continue


def _forget_all() -> None:
    for stream in _made:
        stream.forget()


def install(*names_and_fds: tuple[str, int]) -> None:
    """Put a stream of ours in the place of each ``sys.<name>`` and ``sys.__<name>__``."""
    import sys

    for name, fd in names_and_fds:
        stream: Any = Lines(fd)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    os.register_at_fork(after_in_child=_forget_all)
