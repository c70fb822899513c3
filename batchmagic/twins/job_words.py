"""What a job's document says, in words: read by its HTML and by its text."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from batchmagic import words
from batchmagic.twins.values import clean, cut, when_text
from batchmagic.words import clock, counted, left_text, rate_text

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDED = frozenset({"Completed", "Failed", "Canceled", "NotResponding"})
_PATH, _FILE, _NAME = 44, 48, 80


def has_ended(document: Mapping[str, Any]) -> bool:
    """Return whether the run is over."""
    return document.get("status") in _ENDED


def progress_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the counters; those that are missing are 0."""
    names = (
        "mini_batches", "completed", "failed", "running", "retried", "files", "files_failed", "rows", "seconds",
    )  # fmt: skip
    given = document.get("progress") or {}
    return {name: given.get(name) or 0 for name in names}


def headline(document: Mapping[str, Any]) -> str:
    """Return the status as a person must read it."""
    return words.headline(clean(document.get("status") or ""), progress_of(document)["files_failed"])


def tint(document: Mapping[str, Any]) -> str:
    """Return the colour's name for the status: ok, warn, err or run."""
    status = document.get("status")
    if status == "Completed":
        return "warn" if progress_of(document)["files_failed"] else "ok"
    if status in {"Failed", "NotResponding"}:
        return "err"
    return "warn" if status in {"Canceled", "CancelRequested"} else "run"


def where(document: Mapping[str, Any]) -> str:
    """Return ``endpoint / deployment``."""
    names = (document.get("endpoint"), document.get("deployment"))
    return " / ".join(cut(clean(name), _NAME) for name in names if name)


def name_of(document: Mapping[str, Any]) -> str:
    """Return the job's name."""
    return cut(clean(document.get("name") or ""), _NAME)


def time_text(document: Mapping[str, Any], *, lives: bool = False) -> str:
    """Return how long it took and when that was: ``0:53 · 22 Nov 14:02``.

    Parameters
    ----------
    lives
        Whether it is kept up to date; else what goes on also says when it was seen so.
    """
    seconds = progress_of(document)["seconds"]
    parts = [clock(seconds)] if seconds else []
    if has_ended(document) or not seconds:
        parts.append(when_text(document.get("ended_at") or document.get("created_at")))
    elif not lives and (seen := when_text(document.get("seen_at"))):
        parts.append(f"as of {seen}")
    return " · ".join(part for part in parts if part)


def output_name(document: Mapping[str, Any]) -> str:
    """Return the output's path if it is short, else the name of the file or folder."""
    path = clean(document.get("output") or "")
    return path if len(path) <= _PATH else PurePath(path).name


def done_text(document: Mapping[str, Any]) -> str:
    """Return ``1,984 of 2,000 mini-batches · 19,840 rows``; nothing before there is a plan."""
    progress = progress_of(document)
    if not progress["mini_batches"]:
        return ""
    done = f"{progress['completed']:,} of {counted(progress['mini_batches'], 'mini-batch')}"
    return f"{done} · {counted(progress['rows'], 'row')}"


def failed_text(document: Mapping[str, Any]) -> str:
    """Return ``16 files failed in 2 ways``; nothing where all is well."""
    progress = progress_of(document)
    failed = words.trouble(retried=0, failed=progress["failed"], files_failed=progress["files_failed"])
    kinds = document.get("error_kinds") or 0
    if not failed:
        return ""
    return f"{failed[0]} in {counted(kinds, 'way')}" if kinds > 1 else failed[0]


def pace_text(document: Mapping[str, Any]) -> list[str]:
    """Return the rate, and the time that is left while the job runs."""
    pace, progress = document.get("pace") or {}, progress_of(document)
    if has_ended(document):
        done = progress["completed"] + progress["failed"]
        rate = pace.get("mean") or (done / progress["seconds"] if progress["seconds"] else 0)
        return [rate_text(rate)] if rate else []
    parts = [rate_text(pace["now"])] if pace.get("now") else []
    if parts and pace.get("left") is not None:
        parts.append(f"{left_text(pace['left'])} left")
    return parts


def detail_text(document: Mapping[str, Any]) -> str:
    """Return what the job does or why it ended; nothing for one that has completed."""
    return "" if document.get("status") == "Completed" else clean(document.get("status_detail") or "")


def error_text(error: Mapping[str, Any]) -> str:
    """Return ``ValueError: could not convert …``."""
    kind, message = clean(error.get("type") or ""), clean(error.get("message") or "")
    return cut(f"{kind}: {message}" if kind and message else kind or message)


def frame_text(error: Mapping[str, Any]) -> str:
    """Return ``score.py, line 9, in run``; nothing if no line of the script is known."""
    frame = error.get("frame") or {}
    if not frame.get("file"):
        return ""
    parts = [
        PurePath(clean(frame["file"])).name,
        f"line {frame['line']}" if frame.get("line") else "",
        f"in {clean(frame['function'])}" if frame.get("function") else "",
    ]
    return ", ".join(part for part in parts if part)


def example_text(error: Mapping[str, Any]) -> str:
    """Return the name of the file that it happened with first."""
    name = PurePath(clean(error.get("file") or "")).name
    if not name and error.get("mini_batch") is not None:
        return f"mini-batch {error['mini_batch']}"
    return cut(name, _FILE)


def survived_text(error: Mapping[str, Any]) -> str:
    """Return how many attempts failed, of an error that no file failed by for good."""
    if error.get("files"):
        return ""
    return f"{counted(error.get('count') or 0, 'attempt')} failed, and a later one succeeded"


def commands(document: Mapping[str, Any]) -> list[str]:
    """Return what to type next."""
    return [clean(command) for command in document.get("next") or () if command]
