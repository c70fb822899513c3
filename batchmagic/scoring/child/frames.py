"""Frames: two lengths, a JSON header, raw bytes. The only thing that crosses our sockets.

A frame is ``struct(">IQ", json length, raw length)``, the header as UTF-8 JSON, then the raw bytes.
No pickle is ever read. File descriptors may ride on a frame (``SCM_RIGHTS``).
"""

from __future__ import annotations

import array
import json
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

LENGTHS = struct.Struct(">IQ")
MAX_HEADER = 64 << 20
MAX_RAW = 1 << 40
_CHUNK = 1 << 16
_SINK_CHUNK = 1 << 20
_MAX_FDS = 16
_FDS = "_fds"
# Taken before any user code runs, which may replace what the modules offer.
_encode = json.JSONEncoder(separators=(",", ":")).encode
_decode = json.JSONDecoder().decode


class FrameError(Exception):
    """What arrived is no frame, or the connection ended inside one."""


class FrameTimeout(FrameError):
    """The deadline passed; nothing that had arrived is lost, the next read goes on from there."""


class Frame(NamedTuple):
    """One frame; `raw` is empty when the bytes went to a sink."""

    header: dict[str, Any]
    raw: bytes = b""
    fds: tuple[int, ...] = ()
    raw_length: int = 0


def pack(header: dict[str, Any], raw: bytes = b"") -> bytes:
    """Return the bytes of one frame.

    Raises
    ------
    FrameError
        If the header or the raw bytes are longer than a frame can hold.
    """
    return pack_json(_encode(header).encode(), raw)


def pack_json(text: bytes, raw: bytes = b"") -> bytes:
    """Return the bytes of one frame whose header is JSON already."""
    return start_of(text, len(raw)) + raw


def start_of(text: bytes, raw_length: int) -> bytes:
    """Return the bytes of a frame but for its raw bytes, which are to follow: they may be too many to copy."""
    return LENGTHS.pack(*_checked(len(text), raw_length)) + text


def unpack(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """Return the header and the raw bytes of one whole frame.

    Raises
    ------
    FrameError
        If the bytes are not exactly one frame.
    """
    if len(frame) < LENGTHS.size:
        raise FrameError("the bytes are no frame")
    header_length, raw_length = LENGTHS.unpack_from(frame)
    end = LENGTHS.size + header_length
    if len(frame) != end + raw_length:
        raise FrameError("the bytes are not one whole frame")
    return _parsed(frame[LENGTHS.size : end]), frame[end:]


def _parsed(text: bytes | bytearray) -> dict[str, Any]:
    try:
        header = _decode(text.decode())
    except ValueError as error:
        raise FrameError(f"the header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise FrameError("the header is no JSON object")
    return header


def _checked(header_length: int, raw_length: int) -> tuple[int, int]:
    if header_length > MAX_HEADER or raw_length > MAX_RAW:
        raise FrameError(f"a frame cannot hold a header of {header_length} and {raw_length} raw bytes")
    return header_length, raw_length


def send(
    sock: socket.socket,
    header: dict[str, Any],
    raw: bytes = b"",
    *,
    fds: Sequence[int] = (),
    deadline: float | None = None,
) -> None:
    """Write one frame; when this returns, all of it is in the socket.

    Parameters
    ----------
    sock
        A stream socket; a Unix one if there are `fds`.
    header, raw
        The frame.
    fds
        Open file descriptors that the reader gets duplicates of.
    deadline
        A value of ``time.monotonic()``; None waits for ever.

    Raises
    ------
    FrameTimeout
        If the other side did not take it in time; a part may have been written, so the connection is
        of no use any more.
    OSError
        If the connection is gone.
    """
    # The kernel may hand over descriptors together with an earlier frame, so a frame says how many are its own.
    view = memoryview(pack({**header, _FDS: len(fds)} if fds else header, raw))
    if fds:
        rights = array.array("i", fds).tobytes()
        _await(sock, select.POLLOUT, deadline)
        view = view[sock.sendmsg([view], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)]) :]
    if deadline is None and sock.gettimeout() is None:
        sock.sendall(view)
        return
    while view:
        _await(sock, select.POLLOUT, deadline)
        try:
            view = view[sock.send(view, socket.MSG_DONTWAIT) :]
        except BlockingIOError:
            continue


def _await(sock: socket.socket, event: int, deadline: float | None) -> None:
    poller = select.poll()
    poller.register(sock, event)
    if not poller.poll(_milliseconds(deadline)):
        raise FrameTimeout("the other side did not answer in time")


def _milliseconds(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - time.monotonic()) * 1000


class FrameReader:
    """Reads frames from a stream socket, keeping what came early.

    Parameters
    ----------
    sock
        The socket; it stays the caller's, and is not closed here.
    fds
        True to take the file descriptors that ride on frames.
    """

    def __init__(self, sock: socket.socket, *, fds: bool = False) -> None:
        self.socket = sock
        self._recv = sock.recv
        self._takes_fds = fds
        self._fds: list[int] = []
        self._buffer = bytearray()
        self._start = 0
        self._header: dict[str, Any] | None = None
        self._raw_length = 0
        self._raw_left = 0
        self._parts: list[bytes] = []
        self._ended = False

    def fileno(self) -> int:
        """Return the socket's descriptor, so that the reader itself can be polled."""
        return self.socket.fileno()

    @property
    def buffered(self) -> bool:
        """Whether the next read would return without waiting, judged by the bytes at hand."""
        if self._ended:
            return True
        have = len(self._buffer) - self._start
        if self._header is not None:
            return have >= self._raw_left
        if have < LENGTHS.size:
            return False
        header_length, raw_length = LENGTHS.unpack_from(self._buffer, self._start)
        whole: int = LENGTHS.size + header_length + raw_length
        return have >= whole

    def read(
        self, deadline: float | None = None, *, sink: Callable[[memoryview], object] | None = None
    ) -> Frame | None:
        """Return the next frame, or None when the other side has closed between two frames.

        Parameters
        ----------
        deadline
            A value of ``time.monotonic()``; None waits for ever.
        sink
            Called with each chunk of the raw bytes (at most 1 MiB, valid only during the call), which
            are then not kept in memory.

        Raises
        ------
        FrameTimeout
            If the deadline passed first. The next call goes on where this one stopped.
        FrameError
            If the connection ended inside a frame, or the bytes are no frame.
        """
        if self._header is None and not self._begin(deadline):
            return None
        while self._raw_left:
            self._take_raw(deadline, sink)
        raw = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        header, self._header, self._parts = self._header or {}, None, []
        return Frame(header, raw, self._own_fds(header), self._raw_length)

    def _own_fds(self, header: dict[str, Any]) -> tuple[int, ...]:
        count = header.pop(_FDS, 0) if self._takes_fds else 0
        own, self._fds = tuple(self._fds[:count]), self._fds[count:]
        return own

    def _begin(self, deadline: float | None) -> bool:
        if not self._fill(LENGTHS.size, deadline):
            return False
        header_length, self._raw_length = LENGTHS.unpack_from(self._buffer, self._start)
        _checked(header_length, self._raw_length)
        self._fill(LENGTHS.size + header_length, deadline)
        begin = self._start + LENGTHS.size
        self._header = _parsed(self._buffer[begin : begin + header_length])
        self._raw_left = self._raw_length
        self._skip(LENGTHS.size + header_length)
        return True

    def _fill(self, size: int, deadline: float | None) -> bool:
        """Have `size` bytes in the buffer; False if the other side closed before the first of them."""
        while len(self._buffer) - self._start < size:
            chunk = self._receive(_CHUNK, deadline)
            if not chunk:
                if len(self._buffer) == self._start:
                    return False
                raise FrameError("the connection ended inside a frame")
            self._buffer += chunk
        return True

    def _take_raw(self, deadline: float | None, sink: Callable[[memoryview], object] | None) -> None:
        have = len(self._buffer) - self._start
        if have:
            size = min(have, self._raw_left)
            chunk = bytes(memoryview(self._buffer)[self._start : self._start + size])
            self._skip(size)
        else:
            chunk = self._receive(min(self._raw_left, _SINK_CHUNK), deadline)
            if not chunk:
                raise FrameError("the connection ended inside a frame")
        self._raw_left -= len(chunk)
        if sink is None:
            self._parts.append(chunk)
        else:
            sink(memoryview(chunk))

    def _skip(self, size: int) -> None:
        self._start += size
        if self._start == len(self._buffer):
            self._buffer.clear()
            self._start = 0
        elif self._start > _SINK_CHUNK:
            del self._buffer[: self._start]
            self._start = 0

    def _receive(self, size: int, deadline: float | None) -> bytes:
        if self._ended:
            return b""
        if deadline is not None:
            _await(self.socket, select.POLLIN, deadline)
        try:
            chunk = self._receive_with_fds(size) if self._takes_fds else self._recv(size)
        except ConnectionResetError:
            chunk = b""
        self._ended = not chunk
        return chunk

    def _receive_with_fds(self, size: int) -> bytes:
        room = socket.CMSG_SPACE(_MAX_FDS * array.array("i").itemsize)
        chunk, ancillary, _flags, _address = self.socket.recvmsg(
            size, room, getattr(socket, "MSG_CMSG_CLOEXEC", 0)
        )
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array.array("i")
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
                self._fds.extend(fds)
        return chunk


def wait(readers: Iterable[FrameReader], deadline: float | None = None) -> list[FrameReader]:
    """Return the readers that have something to say (a frame, a part of one, or the end).

    The list is empty only when the deadline has passed.
    """
    readers = list(readers)
    ready = [reader for reader in readers if reader.buffered]
    if ready:
        return ready
    poller = select.poll()
    by_fd = {reader.fileno(): reader for reader in readers}
    for fd in by_fd:
        poller.register(fd, select.POLLIN)
    return [by_fd[fd] for fd, _event in poller.poll(_milliseconds(deadline))]
