"""``invoke``: start a job, and see it through where that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.errors import UsageError
from batchmagic.verbs.definitions import (
    assignments,
    definition_text,
    settings_given,
    split_optional_target,
)
from batchmagic.verbs.job_follow import go_on, see_through
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.entities import Input
    from batchmagic.entities.invocation import Invocation
    from batchmagic.sdk.invoke import PreparedJob
    from batchmagic.verbs.context import Context

_OLD_TYPES = {"file": "uri_file", "folder": "uri_folder"}


def invoke(context: Context) -> Outcome:
    """Check everything, queue the job, and follow it to its end or leave it to itself."""
    from batchmagic.sdk.invoke import prepare, submit  # noqa: PLC0415

    arguments = context.arguments
    if arguments.wait and arguments.no_wait:
        raise UsageError("--wait and --no-wait exclude each other.")
    endpoint, deployment = split_optional_target(arguments.target)
    said = _said_in_file(context)
    given = _input(context, said)
    ws = context.session.read()
    prepared = prepare(
        ws,
        endpoint,
        deployment_name=deployment or said.deployment_name,
        input=given,
        inputs=None if given else said.inputs,
        outputs={"score": arguments.output} if arguments.output else said.outputs,
        params_override=[said.overrides(), _overrides(context)],
        job_name=arguments.job_name or said.job_name,
        experiment_name=arguments.experiment_name or said.experiment_name,
        recursive=arguments.recursive or bool(said.recursive),
        overwrite=arguments.overwrite or bool(said.overwrite),
        bare="asset",
        command=context.command,
    )
    if arguments.dry_run or said.dry_run:
        return Outcome(document=_plan(prepared, ws.root))
    record = submit(ws, prepared)
    context.face.last_job = record.name
    if context.face.waits(wait=arguments.wait, no_wait=arguments.no_wait):
        context.face.started(context.session, record, waits=True)
        return see_through(context, record)
    return go_on(context, record, record.name)


def _said_in_file(context: Context) -> Invocation:
    """Return what ``--file`` says, with what ``--set`` changes of its inputs and outputs."""
    from batchmagic.entities.invocation import Invocation  # noqa: PLC0415
    from batchmagic.entities.load import load_invocation  # noqa: PLC0415

    source = definition_text(context)
    if source is None:
        return Invocation()
    changes = {key: value for key, value in assignments(context).items() if _is_place(key)}
    return load_invocation(source.text, origin=source.origin, name=source.name, params_override=[changes])


def _is_place(key: str) -> bool:
    return key.partition(".")[0] in {"inputs", "outputs"}


def _input(context: Context, said: Invocation) -> Input | None:
    """Return what ``--input`` names; None where the file, or ``--set``, names it."""
    from batchmagic.entities import Input  # noqa: PLC0415

    text = context.arguments.input
    if text is None:
        if said.inputs or any(_is_place(key) for key in assignments(context)):
            return None
        raise UsageError(
            "invoke needs an input.", hint=f"For example: {context.command} invoke heart --input ./patients"
        )
    # The words that Azure's older command line begins an input with.
    prefix, colon, path = text.partition(":")
    if colon and prefix in _OLD_TYPES and not path.startswith("//"):
        return Input(type=_OLD_TYPES[prefix], path=path)
    return Input(path=text)


def _overrides(context: Context) -> dict[str, Any]:
    compute = context.given("compute")
    changes = assignments(context)
    if context.given("file") is not None:
        changes = {key: value for key, value in changes.items() if not _is_place(key)}
    return {**settings_given(context), **({"compute": compute} if compute else {}), **changes}


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
