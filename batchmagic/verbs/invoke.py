"""``invoke``: start a job, and see it through where that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.errors import UsageError
from batchmagic.verbs.definitions import assignments, settings_given, split_optional_target
from batchmagic.verbs.job_follow import go_on, see_through
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.sdk.invoke import PreparedJob
    from batchmagic.verbs.context import Context


def invoke(context: Context) -> Outcome:
    """Check everything, queue the job, and follow it to its end or leave it to itself."""
    from batchmagic.sdk.invoke import prepare, submit  # noqa: PLC0415

    arguments = context.arguments
    if arguments.wait and arguments.no_wait:
        raise UsageError("--wait and --no-wait exclude each other.")
    endpoint, deployment = split_optional_target(arguments.target)
    ws = context.session.read()
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
        command=context.command,
    )
    if arguments.dry_run:
        return Outcome(document=_plan(prepared, ws.root))
    record = submit(ws, prepared)
    context.face.last_job = record.name
    if context.face.waits(wait=arguments.wait, no_wait=arguments.no_wait):
        context.face.started(context.session, record, waits=True)
        return see_through(context, record)
    return go_on(context, record, record.name)


def _input(text: str) -> Any:
    from batchmagic.entities import Input  # noqa: PLC0415

    return Input(path=text)


def _overrides(context: Context) -> dict[str, Any]:
    compute = context.given("compute")
    return {**settings_given(context), **({"compute": compute} if compute else {}), **assignments(context)}


def _plan(prepared: PreparedJob, root: Path) -> dict[str, Any]:
    from batchmagic.sdk.inputs import count_files  # noqa: PLC0415

    spec = prepared.spec
    files = count_files(root / spec.input_path, recursive=spec.recursive)
    settings = {key: value for key, value in spec.settings.to_json().items() if value not in (None, ())}
    settings.pop("environment_variables", None)
    return {
        "endpoint": spec.endpoint,
        "deployment": f"{spec.deployment} (version {spec.deployment_version})",
        "model": f"{spec.model_name}:{spec.model_version}" if spec.model_name else None,
        "input": str(root / spec.input_path),
        "files": files,
        "mini_batches": -(-files // spec.settings.mini_batch_size),
        "output": str(root / spec.output_path / spec.settings.output_file_name)
        if spec.output_path
        else "a folder of the job",
        "compute": spec.compute,
        "python": spec.interpreter.executable,
        "settings": settings | {"output_format": spec.settings.effective_format()},
        "environment_variables": dict.fromkeys(spec.settings.environment_variables, "(set)") or None,
    }
