"""``job logs | errors | result | download``."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from batchmagic.cli.render import done, note, show_rows
from batchmagic.sdk.failure import place_of
from batchmagic.words import counted

if TYPE_CHECKING:
    from batchmagic.cli.context import Context
    from batchmagic.workspace.ledger_errors import ErrorGroup


def logs(context: Context) -> None:
    """Print a log, or list them."""
    from batchmagic.sdk.logs import find_log, list_logs  # noqa: PLC0415

    record = context.job()
    folder = context.client.session.read().job_dir(record.name) / "logs"
    if context.arguments.list:
        rows = [{"log": path, "bytes": (folder / path).stat().st_size} for path in list_logs(folder)]
        show_rows(rows, context.form, nothing=f"Job {record.name} has written no log yet.")
        return
    path = find_log(folder, context.arguments.file, job=record.name)
    with path.open("rb") as file:
        sys.stdout.flush()
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()


def errors(context: Context) -> None:
    """Print what failed, grouped."""
    record = context.job()
    groups = context.client.session.error_groups(record.name)
    if context.form != "table":
        show_rows([_group(group) for group in groups], context.form)
        return
    if not groups:
        print(f"Job {record.name} has no errors.")
        return
    files = record.progress.files_failed
    print(f"{counted(len(groups), 'kind')} of error; {counted(files, 'file')} failed for good")
    for group in groups:
        print()
        where = place_of(group.example_file, group.example_mini_batch, record.spec.settings.mini_batch_size)
        _print_group(group, where, full=context.arguments.full)
    if not context.arguments.full:
        print(f"\nNext: {context.command} job errors {record.name} --full")


def _print_group(group: ErrorGroup, where: str, *, full: bool) -> None:
    count = f"{group.files:,}" if group.files else f"({group.count:,})"
    pad = " " * (len(count) + 3)
    message = " ".join(group.message.split())
    print(f"{count} × {group.type}: {message}")  # noqa: RUF001 - what a person reads as times
    if where:
        print(f"{pad}first in {where}")
    if group.frame:
        file, line, function, source = group.frame
        print(f"{pad}{PurePath(file).name}, line {line}, in {function}:   {source.strip()}")
    if not group.files:
        print(f"{pad}{counted(group.count, 'attempt')} failed, and a later one succeeded")
    if full:
        for text in group.traceback.rstrip().splitlines():
            print(f"{pad}{text}")


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


def result(context: Context) -> None:
    """Print the rows of a job, after waiting for its end."""
    from batchmagic.cli.progress import follow_job  # noqa: PLC0415

    session, record = context.client.session, context.job()
    if not record.status.is_terminal:
        context.following(record.name, lambda: follow_job(session, record.name))
    frame = context.client.jobs.result(record.name)
    limit = context.arguments.rows or len(frame)
    if context.form != "table":
        import json  # noqa: PLC0415

        show_rows(json.loads(frame.head(limit).to_json(orient="records", date_format="iso")), context.form)
        return
    print(frame.head(limit).to_string(max_colwidth=60) if len(frame) else "No rows.")
    if len(frame) > limit:
        note(f"{limit:,} of {len(frame):,} rows; --rows 0 prints all")


def download(context: Context) -> None:
    """Copy the output or the logs of a job."""
    from batchmagic.sdk.download import download as download_  # noqa: PLC0415

    arguments, record = context.arguments, context.job()
    folders = download_(
        context.client.session.read(),
        record,
        to=Path(arguments.path),
        output_name=arguments.output_name,
        everything=arguments.all,
    )
    shown = [str(folder) for folder in folders]
    done("\n".join(shown), {"name": record.name, "folders": shown}, context.form)
