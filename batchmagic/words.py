"""Numbers, times and paths as people read them, and the few words that say how a job stands."""

from __future__ import annotations

import difflib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_BRISK = 10
_LONGEST = 80
_THOUSAND = 1000
_MANY_MINUTES, _MANY_HOURS = 90, 48
_MINUTE, _HOUR = 60, 3600


def abridged(text: str) -> str:
    """Return a text without its middle if it is long: of a path, both ends tell something."""
    half = _LONGEST // 2
    return f"{text[:half]}…{text[1 - half :]}" if len(text) > _LONGEST else text


def suggestion(word: object, known: Iterable[str]) -> str:
    """Return a sentence with the known word that `word` may stand for, else with what is known."""
    names = list(known)
    found = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if found:
        return f"Did you mean {found[0]!r}?"
    return f"Known: {', '.join(names[:8])}." if names else ""


def an(kind: str) -> str:
    """Return a kind of thing with its article."""
    return kind if kind == "data" else f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def clock(seconds: float) -> str:
    """Return a duration as ``0:19`` or ``1:02:03``."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def left_text(seconds: float) -> str:
    """Return a time that is left as people say it: ``0:19``, ``3 min``, ``2 h``, ``3 days``."""
    minutes, hours = round(seconds / _MINUTE), round(seconds / _HOUR)
    if seconds < _MINUTE:
        return clock(seconds)
    if minutes < _MANY_MINUTES:
        return f"{minutes} min"
    return f"{hours} h" if hours < _MANY_HOURS else f"{round(hours / 24)} days"


def counted(number: int, noun: str) -> str:
    """Return ``1 file``, ``2 files``, ``1 mini-batch``, ``1,200 mini-batches``."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"


def rate_text(rate: float) -> str:
    """Return ``38/s``, ``3.2/s`` or ``0.04/s``: as many digits as tell something."""
    if rate >= _BRISK:
        return f"{rate:,.0f}/s"
    return f"{rate:.1f}/s" if rate >= 1 else f"{rate:.2g}/s"


def size_text(count: int) -> str:
    """Return a number of bytes for people: ``1.4 MB``."""
    size = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < _THOUSAND:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= _THOUSAND
    return f"{size:.1f} TB"


def date_text(when: datetime) -> str:
    """Return ``22 Nov 14:02``, with the year when it is not this one: right also when it is read later."""
    local = when.astimezone()
    form = "%d %b %H:%M" if local.year == datetime.now(UTC).astimezone().year else "%d %b %Y %H:%M"
    return local.strftime(form)


def ago(when: datetime | None) -> str:
    """Return ``just now``, ``5 min ago``, ``14:02`` of today, else the date."""
    if when is None:
        return ""
    local = when.astimezone()
    seconds = (datetime.now(UTC) - when).total_seconds()
    if seconds < _MINUTE:
        return "just now"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.0f} min ago"
    if local.date() == datetime.now(UTC).astimezone().date():
        return local.strftime("%H:%M")
    return local.strftime("%d %b %H:%M")


def short_path(path: str) -> str:
    """Return a local absolute path as seen from here, or from home; any other text as it is."""
    place = Path(path)
    if not place.is_absolute():
        return path
    try:
        if place.is_relative_to(Path.cwd()):
            return str(place.relative_to(Path.cwd()))
        if place.is_relative_to(Path.home()):
            return str(Path("~") / place.relative_to(Path.home()))
    except (OSError, RuntimeError):
        pass  # the working directory was deleted, or there is no home: the whole path is right as well
    return path


def headline(status: str, files_failed: int) -> str:
    """Return the status as a person must read it: ``Completed`` with failed files says so."""
    if status == "Completed" and files_failed:
        return f"Completed · {counted(files_failed, 'file')} failed"
    return str(status)


def trouble(*, retried: int, failed: int, files_failed: int) -> list[str]:
    """Return what went wrong so far, in counts; nothing where all is well."""
    parts = []
    if retried:
        parts.append(f"{retried:,} retried")
    if files_failed:
        parts.append(f"{counted(files_failed, 'file')} failed")
    elif failed:
        parts.append(f"{counted(failed, 'mini-batch')} failed")
    return parts


def printable(name: str) -> str:
    """Return a file's name as text that can be stored and shown: bytes in it that are no UTF-8 become escapes."""
    return name if name.isascii() else name.encode("utf-8", "backslashreplace").decode()
