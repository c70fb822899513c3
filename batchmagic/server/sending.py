"""A file as an answer: whole or a range of it, read off the event loop and as fast as the other side takes it."""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from tornado.iostream import StreamClosedError

from batchmagic.sdk.sparse import pieces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tornado.http1connection import HTTP1Connection

    from batchmagic.server.base import BatchHandler
    from batchmagic.server.files import OpenFile

TEXT = "text/plain; charset=utf-8"
_MEDIA = {
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".txt": TEXT,
}
_UNKNOWN = "application/octet-stream"
_CHUNK = 1 << 18
_LONGEST_NAME = 150
_RANGE = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*")
_PLAIN = re.compile(r"[^-+_.()\[\] a-zA-Z0-9]")


@dataclass(frozen=True, slots=True)
class Span:
    """The bytes that are sent, from `start` up to and without `stop`."""

    start: int
    stop: int


def media_of(name: str) -> str:
    """Return the content type of an output: none that a browser would run or draw."""
    return _MEDIA.get(f".{name.rpartition('.')[2].lower()}", _UNKNOWN)


def span_of(header: str | None, size: int) -> Span | None:
    """Return what a Range header asks for; None for the whole file, also where it asks for several ranges.

    Raises
    ------
    ValueError
        If none of it is in the file.
    """
    found = _RANGE.fullmatch(header or "")
    if found is None or found[1] == found[2] == "":
        return None
    if not found[1]:
        start, stop = max(0, size - int(found[2])), size
    else:
        start, stop = int(found[1]), min(size, int(found[2]) + 1) if found[2] else size
        if found[2] and int(found[2]) < start:
            return None  # no range at all, says the standard
    if start >= stop:
        raise ValueError(header)
    return Span(start, stop)


def disposition(name: str) -> str:
    """Return the header that makes a browser save the file, under a name that harms nobody."""
    # Control characters could end the header; format characters turn the direction of what is read.
    safe = "".join("_" if unicodedata.category(char)[0] == "C" or char in "/\\" else char for char in name)
    safe = safe.strip(". ")[-_LONGEST_NAME:] or "file"
    return f"attachment; filename=\"{_PLAIN.sub('_', safe)}\"; filename*=UTF-8''{quote(safe, safe='')}"


async def send(
    handler: BatchHandler, file: OpenFile, *, name: str, media: str, leave_out_holes: bool = False
) -> None:
    """Answer with an open file, which is closed then.

    Parameters
    ----------
    leave_out_holes
        Of a file with holes, send only what is there, unless a range was asked for: ranges count in the file itself.
    """
    try:
        await _send(handler, file, name, media, leave_out_holes=leave_out_holes and file.has_holes)
    except StreamClosedError:
        return  # who asked has gone
    finally:
        file.close()


async def _send(
    handler: BatchHandler, file: OpenFile, name: str, media: str, *, leave_out_holes: bool
) -> None:
    modified = format_datetime(datetime.fromtimestamp(file.modified // 10**9, UTC), usegmt=True)
    tag = f'"{file.tag}"'
    handler.set_header("Content-Type", media)
    handler.set_header("Content-Disposition", disposition(name))
    handler.set_header("Accept-Ranges", "bytes")
    handler.set_header("Last-Modified", modified)
    handler.set_header("ETag", tag)
    asked = handler.request.headers
    if handler.check_etag_header():
        handler.set_status(HTTPStatus.NOT_MODIFIED)
        await handler.finish()
        return
    header = asked.get("Range") if asked.get("If-Range", tag) in {tag, modified} else None
    try:
        span = span_of(header, file.size)
    except ValueError:
        handler.set_status(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        handler.set_header("Content-Range", f"bytes */{file.size}")
        handler.set_header("Content-Type", TEXT)
        await handler.finish()
        return
    if span is None and leave_out_holes:
        # Another content than that of the ranges, so it must not have their tag.
        handler.set_header("ETag", f'"{file.tag}-data"')
        await _write(handler, pieces(file.descriptor, size=file.size), None)
        return
    if span is not None:
        handler.set_status(HTTPStatus.PARTIAL_CONTENT)
        handler.set_header("Content-Range", f"bytes {span.start}-{span.stop - 1}/{file.size}")
    span = span or Span(0, file.size)
    handler.set_header("Content-Length", str(span.stop - span.start))
    await _write(handler, _chunks(file.descriptor, span), span.stop - span.start)


def cut(handler: BatchHandler) -> None:
    """Break off an answer that cannot be brought to its end."""
    connection = cast("HTTP1Connection", handler.request.connection)
    connection.stream.close()


def _chunks(descriptor: int, span: Span) -> Iterator[bytes]:
    at = span.start
    while at < span.stop and (chunk := os.pread(descriptor, min(_CHUNK, span.stop - at), at)):
        at += len(chunk)
        yield chunk


async def _write(handler: BatchHandler, chunks: Iterator[bytes], length: int | None) -> None:
    """Write what is there, one piece at a time; nothing is read while the other side does not take the last one."""
    sent = 0
    if handler.request.method == "HEAD":
        await handler.finish()
        return
    while (chunk := await handler.service.call(next, chunks, None)) is not None:
        handler.write(chunk)
        sent += len(chunk)
        await handler.flush()
    if length is not None and sent < length:
        # The file has become shorter meanwhile: nobody may take what was sent for all of it.
        cut(handler)
        return
    await handler.finish()
