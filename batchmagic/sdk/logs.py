"""The logs of a job: which there are, and which one a person means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.errors import ResourceNotFoundError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_USER = "user"
# What a person wants to read first, by what there is.
_FIRST = ("job_error.txt", "job_result.txt", "job_progress_overview.txt")
_SHOWN = 8


def list_logs(folder: Path) -> list[str]:
    """Return the logs below the job's folder ``logs``, as relative paths, in order."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def find_log(folder: Path, end: str | None, *, job: str) -> Path:
    """Return the log whose path ends with `end`; without one, the errors, else the result, else the progress.

    Raises
    ------
    ResourceNotFoundError
        If there is none.
    UsageError
        If more than one fits.
    """
    if end is None:
        for name in _FIRST:
            path = folder / _USER / name
            if path.is_file() and path.stat().st_size:
                return path
        raise ResourceNotFoundError(f"Job {job} has written no log yet.", kind="log")
    return folder / match_log(list_logs(folder), end)


def match_log(known: Sequence[str], end: str) -> str:
    """Return the one of the known logs whose path ends with `end`.

    Raises
    ------
    ResourceNotFoundError
        If there is none.
    UsageError
        If more than one fits.
    """
    wanted = end.removeprefix("./").removeprefix("logs/").strip("/")
    found = [path for path in known if path == wanted or f"/{path}".endswith(f"/{wanted}")]
    found = found or [path for path in known if path.endswith(wanted) or path.split(".")[0].endswith(wanted)]
    exact = [path for path in found if path == wanted]
    if len(found) > 1 and not exact:
        more = ", …" if len(found) > _SHOWN else ""
        raise UsageError(f"{end!r} fits {len(found)} logs.", hint=f"{', '.join(found[:_SHOWN])}{more}")
    if not found:
        raise ResourceNotFoundError(kind="log", name=end, known=known)
    return (exact or found)[0]
