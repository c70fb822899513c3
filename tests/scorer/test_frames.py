from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from batchmagic.scoring.child.frames import (
    LENGTHS,
    FrameError,
    FrameReader,
    FrameTimeout,
    pack,
    send,
    unpack,
    wait,
)


@pytest.fixture
def pair():
    a, b = socket.socketpair()
    with a, b:
        yield a, b


def test_round_trip_keeps_header_and_raw_bytes(pair):
    a, b = pair
    send(a, {"op": "done", "name": "é\udcff\n", "n": 1.5}, b"\x00raw\xff")
    frame = FrameReader(b).read()
    assert frame.header == {"op": "done", "name": "é\udcff\n", "n": 1.5}
    assert frame.raw == b"\x00raw\xff"


def test_unpack_undoes_pack_and_refuses_anything_else():
    assert unpack(pack({"a": 1}, b"xy")) == ({"a": 1}, b"xy")
    for broken in (b"", pack({"a": 1})[:-1], pack({"a": 1}) + b"x", LENGTHS.pack(2, 0) + b"[]"):
        with pytest.raises(FrameError):
            unpack(broken)


def test_many_frames_in_one_piece_are_read_one_by_one(pair):
    a, b = pair
    a.sendall(b"".join(pack({"k": k}, b"r" * k) for k in range(50)))
    reader = FrameReader(b)
    assert [(f.header["k"], len(f.raw)) for f in (reader.read() for _ in range(50))] == [
        (k, k) for k in range(50)
    ]


def test_buffered_tells_whether_a_whole_frame_is_at_hand(pair):
    a, b = pair
    reader = FrameReader(b)
    assert not reader.buffered
    a.sendall(pack({"k": 0}) + pack({"k": 1}) + pack({"k": 2}, b"later")[:-3])
    reader.read()
    assert reader.buffered
    reader.read()
    assert not reader.buffered


def test_a_frame_in_single_bytes_is_whole(pair):
    a, b = pair

    def drip() -> None:
        for byte in pack({"op": "x"}, b"abc"):
            a.sendall(bytes([byte]))

    thread = threading.Thread(target=drip)
    thread.start()
    assert FrameReader(b).read() == ({"op": "x"}, b"abc", (), 3)
    thread.join()


def test_a_deadline_loses_nothing_that_had_arrived(pair):
    a, b = pair
    whole = pack({"op": "x"}, b"0123456789")
    reader = FrameReader(b)
    for cut in range(1, len(whole)):
        a.sendall(whole[:cut])
        with pytest.raises(FrameTimeout):
            reader.read(time.monotonic() + 0.001)
        a.sendall(whole[cut:])
        assert reader.read(time.monotonic() + 5).raw == b"0123456789"


def test_raw_bytes_stream_to_a_sink_in_small_chunks(pair):
    a, b = pair
    raw = os.urandom(5 << 20)
    thread = threading.Thread(target=send, args=(a, {}, raw))
    thread.start()
    chunks: list[bytes] = []
    frame = FrameReader(b).read(time.monotonic() + 30, sink=lambda chunk: chunks.append(bytes(chunk)))
    thread.join()
    assert b"".join(chunks) == raw
    assert max(map(len, chunks)) <= 1 << 20
    assert (frame.raw, frame.raw_length) == (b"", len(raw))


def test_the_end_between_frames_is_none_and_inside_one_an_error(pair):
    a, b = pair
    a.sendall(pack({"k": 1}) + pack({"k": 2})[:-1])
    a.close()
    reader = FrameReader(b)
    assert reader.read().header == {"k": 1}
    with pytest.raises(FrameError):
        reader.read()
    c, d = socket.socketpair()
    with d:
        c.close()
        assert FrameReader(d).read() is None


def test_lengths_that_no_frame_has_are_refused(pair):
    a, b = pair
    a.sendall(LENGTHS.pack(1 << 31, 0))
    with pytest.raises(FrameError):
        FrameReader(b).read(time.monotonic() + 1)


def test_sending_to_one_who_does_not_read_ends_at_the_deadline(pair):
    a, _b = pair
    with pytest.raises(FrameTimeout):
        send(a, {}, b"x" * (8 << 20), deadline=time.monotonic() + 0.05)


def test_descriptors_ride_on_their_own_frame(pair):
    a, b = pair
    send(a, {"k": 0})
    read_end, write_end = os.pipe()
    send(a, {"k": 1}, fds=[write_end])
    send(a, {"k": 2})
    os.close(write_end)
    reader = FrameReader(b, fds=True)
    frames = [reader.read() for _ in range(3)]
    assert [len(f.fds) for f in frames] == [0, 1, 0]
    os.write(frames[1].fds[0], b"through")
    os.close(frames[1].fds[0])
    assert os.read(read_end, 10) == b"through"
    os.close(read_end)


def test_wait_returns_who_has_something_to_say(pair):
    a, b = pair
    c, d = socket.socketpair()
    with c, d:
        first, second = FrameReader(b), FrameReader(d)
        assert wait([first, second], time.monotonic() + 0.01) == []
        send(c, {})
        assert wait([first, second], time.monotonic() + 5) == [second]
        a.close()
        assert wait([first, second], time.monotonic() + 5) == [first, second]
