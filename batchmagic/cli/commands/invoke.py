"""``invoke``: start a job, and see it through unless told not to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.cli.commands.definitions import assignments, settings_given, split_optional_target
from batchmagic.cli.commands.job import described
from batchmagic.cli.progress import follow_job
from batchmagic.cli.render import done, note, show_one
from batchmagic.errors import UsageError
from batchmagic.words import clock, counted

if TYPE_CHECKING:
    from batchmagic.cli.context import Context
    from batchmagic.sdk.invoke import PreparedJob
    from batchmagic.workspace.job_records import JobRecord


def invoke(context: Context) -> int:
    """Check everything, queue the job, and follow it to its end."""
    from batchmagic.sdk.invoke import prepare, submit  # noqa: PLC0415

    arguments = context.arguments
    if arguments.wait and arguments.no_wait:
        raise UsageError("--wait and --no-wait exclude each other.")
    endpoint, deployment = split_optional_target(arguments.target)
    ws = context.client.session.read()
    prepared = prepare(
        ws,
        endpoint,
        deployment_name=deployment,
        input=_input(arguments.input),
        outputs={"score": arguments.output} if arguments.output else None,
        params_override=[_overrides(context)],
        job_name=arguments.job_name,
        experiment_name=arguments.experiment_name,
        recursive=arguments.recursive,
        overwrite=arguments.overwrite,
        bare="asset",
    )
    if arguments.dry_run:
        show_one(_plan(prepared), context.form)
        return 0
    record = submit(ws, prepared)
    if arguments.no_wait:
        text = f"{record.name}\nNext: {context.command} job stream {record.name}"
        done(text, described(context, record), context.form)
        return 0
    return see_through(context, record)


def see_through(context: Context, record: JobRecord) -> int:
    """Follow the job to its end, say how it ended and where the rows are, and return the exit code."""
    session = context.client.session
    note(f"Job {record.name}")
    ended = context.following(record.name, lambda: follow_job(session, record.name))
    code = context.end(ended)
    if context.form != "table":
        show_one(described(context, ended), context.form)
    elif code in {0, 4}:
        print(closing_words(context, ended))
    return code


def closing_words(context: Context, record: JobRecord) -> str:
    """Return what came of a job that has completed, and where it is."""
    from batchmagic.sdk.results import output_file, output_folder  # noqa: PLC0415

    ws = context.client.session.read()
    path = output_file(ws, record)
    what = counted(record.progress.rows, "row") if path else "Files of the script"
    where = path or output_folder(ws, record)
    return f"{what} in {clock(record.progress.seconds)} → {where}"


def _input(text: str) -> Any:
    from batchmagic.entities import Input  # noqa: PLC0415

    return Input(path=text)


def _overrides(context: Context) -> dict[str, Any]:
    compute = context.given("compute")
    return {**settings_given(context), **({"compute": compute} if compute else {}), **assignments(context)}


def _plan(prepared: PreparedJob) -> dict[str, Any]:
    from pathlib import Path  # noqa: PLC0415

    from batchmagic.sdk.inputs import count_files  # noqa: PLC0415

    spec = prepared.spec
    files = count_files(Path(spec.input_path), recursive=spec.recursive)
    settings = {key: value for key, value in spec.settings.to_json().items() if value not in (None, ())}
    settings.pop("environment_variables", None)
    return {
        "endpoint": spec.endpoint,
        "deployment": f"{spec.deployment} (version {spec.deployment_version})",
        "model": f"{spec.model_name}:{spec.model_version}" if spec.model_name else None,
        "input": spec.input_path,
        "files": files,
        "mini_batches": -(-files // spec.settings.mini_batch_size),
        "output": str(Path(spec.output_path) / spec.settings.output_file_name)
        if spec.output_path
        else "a folder of the job",
        "compute": spec.compute,
        "python": spec.interpreter.executable,
        "settings": settings | {"output_format": spec.settings.effective_format()},
        "environment_variables": dict.fromkeys(spec.settings.environment_variables, "(set)") or None,
    }
