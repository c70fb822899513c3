"""A job that did not succeed, in at most eight lines: the script's own error first, then where, the verdict, what next."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from batchmagic.entities.status import JobStatus
from batchmagic.words import clock, counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchmagic.entities.progress import Progress
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger_errors import ErrorGroup

# Then the verdict says it all, and the script has no part in it.
_NOT_THE_SCRIPT = frozenset({"host", "job", "engine"})
_WIDTH = 200
# A colour, an animal and four digits: see `workspace.job_records.new_name`.
_MADE_UP = re.compile(r"[a-z]{3,}-[a-z]+-[0-9a-f]{4,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Cause:
    """The error that tells why a job failed."""

    type: str
    message: str
    frame: tuple[str, int, str, str] | None = None
    file: str = ""
    mini_batch: int | None = None
    place: str = ""


def cause_of(error: Mapping[str, Any] | None, groups: Sequence[ErrorGroup]) -> Cause | None:
    """Return the script's error that a job failed by, from what the driver noted or else the commonest one."""
    if error and error.get("phase") in _NOT_THE_SCRIPT:
        return None
    group = _group_of(error, groups)
    if error and (error.get("file") or group is None) and (error.get("type") or error.get("message")):
        frame = error.get("frame")
        return Cause(
            type=str(error.get("type") or ""),
            message=str(error.get("message") or ""),
            frame=_frame(frame) if frame else None,
            file=str(error.get("file") or ""),
            mini_batch=error.get("mini_batch"),
            place=_place(error),
        )
    if group is None:
        return None
    # The first of its kind, so that message and file belong together.
    return Cause(
        type=group.type,
        message=group.message,
        frame=group.frame,
        file=group.example_file,
        mini_batch=group.example_mini_batch,
    )


def _group_of(error: Mapping[str, Any] | None, groups: Sequence[ErrorGroup]) -> ErrorGroup | None:
    if error and error.get("type"):
        return next((g for g in groups if g.type == error["type"]), None)
    return groups[0] if groups else None


def _frame(stored: Sequence[Any]) -> tuple[str, int, str, str]:
    file, line, function, source = stored
    return str(file), int(line), str(function), str(source or "")


def _place(error: Mapping[str, Any]) -> str:
    if error.get("instance") in {None, ""}:
        return ""
    slot = error.get("slot")
    return f"instance {str(error['instance']).removeprefix('i')}" + ("" if slot is None else f", slot {slot}")


def first_line(cause: Cause) -> str:
    """Return ``ValueError: could not convert …`` in one line."""
    message = " ".join(cause.message.split())
    return _cut(f"{cause.type}: {message}" if cause.type and message else cause.type or message)


def where_lines(cause: Cause, *, mini_batch_size: int) -> list[str]:
    """Return the script's line, and the mini-batch that it happened with."""
    lines = []
    if cause.frame:
        file, line, function, source = cause.frame
        shown = f"   {source.strip()}" if source.strip() else ""
        lines.append(_cut(f"  {PurePath(file).name}, line {line}, in {function}:{shown}"))
    parts = [part for part in (place_of(cause.file, cause.mini_batch, mini_batch_size), cause.place) if part]
    return [*lines, _cut(f"  {', '.join(parts)}")] if parts else lines


def place_of(file: str, mini_batch: int | None, mini_batch_size: int) -> str:
    """Return where in the input an error happened, as far as that is known: which file of several, is not."""
    name = PurePath(file).name
    if mini_batch is None:
        return f"file {name}" if name else ""
    if not name:
        return f"mini-batch {mini_batch}"
    if mini_batch_size == 1:
        return f"file {name}, mini-batch {mini_batch}"
    return f"mini-batch {mini_batch}, which begins with {name}"


def verdict(record: JobRecord) -> str:
    """Return one sentence: how the job ended, when, why, and what is kept."""
    progress = record.progress
    after = f" after {clock(progress.seconds)}" if progress.seconds else ""
    why = f": {record.status_detail.rstrip('.')}" if record.status_detail else ""
    return _cut(f"Job {record.name} {record.status}{after}{why}{_kept(progress)}.")


def _kept(progress: Progress) -> str:
    if not progress.mini_batches:
        return ""
    return f" ({progress.completed:,} of {counted(progress.mini_batches, 'mini-batch')} kept)"


def short_name(name: str) -> str:
    """Return the first word of a name that batchmagic made up; a name that a person gave stays whole."""
    return name.partition("-")[0] if _MADE_UP.fullmatch(name) else name


def next_steps(record: JobRecord, *, has_groups: bool, command: str, name: str) -> list[str]:
    """Return what to type next, each with what it does."""
    steps = []
    if has_groups:
        steps.append((f"{command} job errors {name} --full", "the tracebacks, grouped"))
    steps.append((f"{command} job logs {name}", "what was logged"))
    if record.status is JobStatus.FAILED and "error_threshold" in record.status_detail:
        steps.append((f"{command} job resume {name} --set error_threshold=-1", "go on from where it stopped"))
    elif record.progress.failed:
        steps.append((f"{command} job resume {name} --redo-failed", "go on, and try again what failed"))
    else:
        steps.append((f"{command} job resume {name}", "go on from where it stopped"))
    width = max(len(step) for step, _ in steps)
    return [f"  {step:<{width}}     {what}" for step, what in steps]


def failure_lines(
    record: JobRecord, groups: Sequence[ErrorGroup], *, command: str = "batchmagic", name: str | None = None
) -> list[str]:
    """Return at most eight lines about a job that did not succeed.

    Parameters
    ----------
    command
        What the reader types before the verbs.
    name
        The job's name as the reader shall type it.
    """
    cause = cause_of(record.error, groups)
    lines = (
        [first_line(cause), *where_lines(cause, mini_batch_size=record.spec.settings.mini_batch_size)]
        if cause
        else []
    )
    lines.append(verdict(record))
    typed = name or record.name
    steps = next_steps(record, has_groups=bool(groups), command=command, name=typed)
    return [line for line in lines if line] + steps


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 1] + "…"
