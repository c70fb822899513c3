"""``job logs | errors | result | download``."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from batchmagic.sdk.failure import place_of
from batchmagic.verbs.outcome import Outcome
from batchmagic.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from batchmagic.verbs.context import Context
    from batchmagic.workspace.ledger_errors import ErrorGroup


def logs(context: Context) -> Outcome:
    """Give a log, or list them."""
    from batchmagic.sdk.logs import find_log, list_logs  # noqa: PLC0415

    record = context.job()
    folder = context.session.read().job_dir(record.name) / "logs"
    if context.arguments.list:
        rows = [{"log": path, "bytes": (folder / path).stat().st_size} for path in list_logs(folder)]
        return Outcome(document=rows, nothing=f"Job {record.name} has written no log yet.")
    path = find_log(folder, context.arguments.file, job=record.name)
    value = context.client.jobs.handle(record.name).logs(path.relative_to(folder).as_posix())
    return Outcome(document={"log": str(path), "text": str(value)}, value=value, file=path)


def errors(context: Context) -> Outcome:
    """Give what failed, grouped."""
    record, full = context.job(), context.arguments.full
    report = context.client.jobs.handle(record.name).errors(full=full)
    lines = [f"Job {record.name} has no errors."]
    if report.groups:
        files = counted(record.progress.files_failed, "file")
        lines = [f"{counted(len(report), 'kind')} of error; {files} failed for good"]
        for group in report:
            lines += ["", *_group_lines(group, record.spec.settings.mini_batch_size, full=full)]
        if not full:
            lines.append(f"\nNext: {context.command} job errors {record.name} --full")
    return Outcome(
        document=[_group(group) for group in report], value=report, text="\n".join(lines), shows_itself=True
    )


def _group_lines(group: ErrorGroup, mini_batch_size: int, *, full: bool) -> Iterator[str]:
    count = f"{group.files:,}" if group.files else f"({group.count:,})"
    pad = " " * (len(count) + 3)
    message = " ".join(group.message.split())
    yield f"{count} × {group.type}: {message}"  # noqa: RUF001 - what a person reads as times
    where = place_of(group.example_file, group.example_mini_batch, mini_batch_size)
    if where:
        yield f"{pad}first in {where}"
    if group.frame:
        file, line, function, source = group.frame
        yield f"{pad}{PurePath(file).name}, line {line}, in {function}:   {source.strip()}"
    if not group.files:
        yield f"{pad}{counted(group.count, 'attempt')} failed, and a later one succeeded"
    if full:
        yield from (f"{pad}{text}" for text in group.traceback.rstrip().splitlines())


def _group(group: ErrorGroup) -> dict[str, Any]:
    return {
        "type": group.type,
        "message": group.message,
        "phase": group.phase,
        "count": group.count,
        "files": group.files,
        "frame": list(group.frame) if group.frame else None,
        "example_file": group.example_file,
        "example_mini_batch": group.example_mini_batch,
        "tracebacks": list(group.tracebacks),
    }


def result(context: Context) -> Outcome:
    """Give the rows of a job, after waiting for its end."""
    record = context.job()
    if not record.status.is_terminal:
        context.face.follow(context.session, record.name)
    frame = context.client.jobs.result(record.name)
    limit = context.given("rows")
    if limit is None:
        return Outcome(document=[], value=frame)
    shown = frame.head(limit or len(frame))
    if len(shown) < len(frame):
        context.face.note(f"{limit:,} of {len(frame):,} rows; --rows 0 prints all")
    text = shown.to_string(max_colwidth=60) if len(shown) else "No rows."
    return Outcome(document=lambda: _records(shown), value=frame, text=text)


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(frame.to_json(orient="records", date_format="iso"))
    return found


def download(context: Context) -> Outcome:
    """Copy the output or the logs of a job."""
    from batchmagic.sdk.download import download as download_  # noqa: PLC0415

    arguments, record = context.arguments, context.job()
    folders = download_(
        context.session.read(),
        record,
        to=Path(arguments.path),
        output_name=arguments.output_name,
        everything=arguments.all,
    )
    shown = [str(folder) for folder in folders]
    return Outcome(document={"name": record.name, "folders": shown}, value=folders, text="\n".join(shown))
