"""An exception of the user's as text: what the driver stores and the cell shows.

Nothing of the exception itself leaves the process, and none can break the report: not one whose
``str()`` raises, not one from a million frames deep.
"""

from __future__ import annotations

import linecache
import os
import re
import traceback
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FunctionType, TracebackType

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_MAX_MESSAGE = 8_000
_MAX_TRACEBACK = 32_000
_MAX_LINE = 400
_MAX_NAME = 200


def describe(
    error: BaseException,
    phase: str,
    *,
    roots: Iterable[str] = (),
    fallback: FunctionType | None = None,
    titles: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return an exception as JSON can carry it.

    Parameters
    ----------
    error
        What was raised.
    phase
        ``import``, ``init``, ``run`` or ``encode``.
    roots
        Folders whose files count as the user's own.
    fallback
        The function to name when the exception passed through none of the user's frames.
    titles
        What files are called, by path, where that is not their path: ``cell [5]``.
    """
    try:
        return _described(error, phase, roots, fallback, titles or {})
    except BaseException:  # noqa: BLE001 -- an exception, or a library that the script changed, may break anything
        name: str = type.__dict__["__name__"].__get__(type(error))
        message = "the exception cannot be described: it, or what describes it, breaks when it is looked at"
        return {
            "type": name[:_MAX_NAME],
            "message": message,
            "traceback": None,
            "frame": None,
            "phase": phase,
        }


def _described(
    error: BaseException,
    phase: str,
    roots: Iterable[str],
    fallback: FunctionType | None,
    titles: Mapping[str, str],
) -> dict[str, Any]:
    tb = _without_ours(error.__traceback__)
    frame = _place(error, tb, tuple(_both(r) for r in roots)) or _definition(fallback)
    return {
        "type": _type_name(type(error)),
        "message": _shorten(_retitled_message(error, titles), _MAX_MESSAGE),
        "traceback": _shorten(retitled(_formatted(error, tb), titles), _MAX_TRACEBACK),
        "frame": frame and [_title(frame[0], titles), *frame[1:]],
        "phase": phase,
    }


def retitled(text: str, titles: Mapping[str, str]) -> str:
    """Return a traceback, or what faulthandler wrote, with titles in place of ``File "…"``."""
    for path, title in titles.items():
        # faulthandler writes what is not ASCII as escapes, and no comma behind the line.
        for name in {path, path.encode("ascii", "backslashreplace").decode()}:
            opening = 'File "{}", line '.format(name)
            place = title.replace("\\", r"\\") + r", line \1, in "
            text = re.sub(re.escape(opening) + r"(\d+) in ", place, text)
            text = text.replace(opening, title + ", line ")
    return text


def _title(path: Any, titles: Mapping[str, str]) -> Any:
    # A SyntaxError of the user's may have anything for a file name.
    return titles.get(path, path) if isinstance(path, str) else path


def _retitled_message(error: BaseException, titles: Mapping[str, str]) -> str:
    message = _message(error)
    if isinstance(error, SyntaxError) and isinstance(error.filename, str) and error.filename in titles:
        # It ends with "(score.py, line 3)".
        named, title = os.path.basename(error.filename), titles[error.filename]
        message = message.replace("({}, line ".format(named), "({}, line ".format(title))
    return message


def _type_name(kind: type) -> str:
    module = getattr(kind, "__module__", "builtins")
    if module in {"builtins", "__main__"} or module.partition(".")[0] == __name__.partition(".")[0]:
        return kind.__qualname__[:_MAX_NAME]
    return f"{module}.{kind.__qualname__}"[:_MAX_NAME]


def _message(error: BaseException) -> str:
    try:
        # By way of `str` itself: what the user's __str__ returned may be of a type with tricks of its own.
        text = str.__str__(str(error))
        return text or ("Python found no more memory" if isinstance(error, MemoryError) else "")
    except BaseException:  # noqa: BLE001 -- the user's __str__ may raise anything
        return f"<{type(error).__name__} whose str() raises>"


def _formatted(error: BaseException, tb: TracebackType | None) -> str:
    try:
        return "".join(traceback.format_exception(type(error), error, tb))
    except BaseException:  # noqa: BLE001 -- a chain may be too deep, or hold hostile exceptions, for the library
        lines = traceback.format_tb(tb, limit=-50) if tb is not None else []
        return "".join(lines) + f"{type(error).__name__}: {_message(error)}\n"


def _without_ours(tb: TracebackType | None) -> TracebackType | None:
    """Return the traceback without the leading frames that are ours or the import system's."""
    while tb is not None and _is_ours(tb.tb_frame.f_code.co_filename):
        tb = tb.tb_next
    return tb


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, "<frozen importlib"))


def _both(root: str) -> tuple[str, str]:
    return os.path.abspath(root), os.path.realpath(root)


def _place(
    error: BaseException, tb: TracebackType | None, roots: tuple[tuple[str, str], ...]
) -> list[Any] | None:
    """Return the innermost frame of the user's code, else the innermost that is not ours."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return [error.filename, error.lineno, "<module>", (error.text or "").strip()[:_MAX_LINE]]
    users = last = None
    for frame, line in traceback.walk_tb(tb):
        code = frame.f_code
        if _is_ours(code.co_filename):
            continue
        last = (code.co_filename, line, code.co_name)
        if _is_users(code.co_filename, roots):
            users = last
    found = users or last
    if found is None:
        return None
    return [*found, linecache.getline(found[0], found[1]).strip()[:_MAX_LINE]]


def _is_users(filename: str, roots: tuple[tuple[str, str], ...]) -> bool:
    if f"{os.sep}site-packages{os.sep}" in filename:
        return False
    return any(filename == r or filename.startswith(r + os.sep) for pair in roots for r in pair)


def _definition(function: FunctionType | None) -> list[Any] | None:
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    line = linecache.getline(code.co_filename, code.co_firstlineno).strip()[:_MAX_LINE]
    return [code.co_filename, code.co_firstlineno, code.co_name, line]


def _shorten(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"
