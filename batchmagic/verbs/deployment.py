"""``deployment create | list | show | update | delete``."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.entities import BatchDeployment, CodeConfiguration
from batchmagic.entities.base import surrounded
from batchmagic.entities.deployment import CELL
from batchmagic.entities.documents import values_of
from batchmagic.entities.listing import Listing
from batchmagic.entities.overrides import overridden
from batchmagic.errors import ScriptError, UsageError
from batchmagic.names import safe_join
from batchmagic.sdk.deployments import changed as changed_deployment
from batchmagic.verbs.definitions import (
    assignments,
    definition_text,
    deployment_values,
    read_definition,
    split_target,
)
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.verbs.context import Context
    from batchmagic.workspace.deployments import DeploymentRecord

_SCRIPT = "score.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """A deployment, and its code where that is ready in a folder of its own."""

    entity: BatchDeployment
    staged: Path | None = None


def create(context: Context) -> Outcome:
    """Create or update a deployment from options, a YAML definition, or a definition with options on top."""
    from batchmagic.sdk.deploy import prepare, store  # noqa: PLC0415

    entity = _definition(context)
    record = store(context.session.write(), prepare(context.session.peek(), entity))
    if context.given("default"):
        _make_default(context, record)
    text = f"Deployed {record.endpoint}/{record.name}, version {record.version}"
    return Outcome(document=described(record), value=record.entity, text=text)


@contextmanager
def defined(context: Context) -> Iterator[Definition]:
    """Give the deployment that the arguments define; the body of a cell is its scoring script."""
    entity = _definition(context)
    if context.body is None:
        yield Definition(entity=entity)
        return
    name = context.given("scoring_script") or _SCRIPT
    with tempfile.TemporaryDirectory() as folder:
        staged = _staged(Path(folder) / "code", context.given("code"), name, context.body.text)
        entity.code_configuration = CodeConfiguration(code=context.given("code"), scoring_script=name)
        if context.cell is not None:
            entity.properties[CELL] = str(context.cell)
        yield Definition(entity=entity, staged=staged)


def _staged(target: Path, code: str | None, name: str, text: str) -> Path:
    """Return a copy of the code folder with the cell's script in it."""
    if code is None:
        target.mkdir()
    else:
        source = Path(code).expanduser()
        if not source.is_dir():
            raise ScriptError(
                f"{code!r} is no folder.",
                target="code",
                hint="--code is the folder of the modules that the script imports.",
            )
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_ignored()))
    script = safe_join(target, name)
    if script.exists():
        raise ScriptError(
            f"The folder {code!r} has a {name} already.",
            target="scoring_script",
            hint="Name the cell's script otherwise: --scoring-script NAME.py",
        )
    script.parent.mkdir(parents=True, exist_ok=True)
    script.write_text(text, encoding="utf-8")
    return target


def _ignored() -> frozenset[str]:
    from batchmagic.workspace.snapshot import CODE_IGNORED  # noqa: PLC0415

    return CODE_IGNORED


def _definition(context: Context) -> BatchDeployment:
    """Return the deployment that the arguments define."""
    target = context.given("target")
    source = definition_text(context) if context.arguments.verb.body == "yaml" else None
    if source is not None:
        names = dict(zip(("endpoint_name", "name"), split_target(target), strict=True)) if target else {}
        values = {**deployment_values(context, plain=True), **names, **assignments(context)}
        return read_definition(BatchDeployment, source, values)
    if target is None:
        raise UsageError("Name the deployment as ENDPOINT/DEPLOYMENT, or give a definition with --file.")
    endpoint, name = split_target(target)
    values = {"endpoint_name": endpoint, "name": name, **deployment_values(context)}
    return BatchDeployment.from_dict(overridden(values, [assignments(context)]))


def list_(context: Context) -> Outcome:
    """List the deployments of one endpoint, or of all."""
    session = context.session
    ws = session.read() if context.given("endpoint") else session.peek()
    endpoints = (
        [context.arguments.endpoint]
        if context.given("endpoint")
        else [e.name for e in ws.endpoints.list()]
        if ws
        else []
    )
    found = [record for name in endpoints for record in (ws.deployments.list(name) if ws else [])]
    rows = [_row(record) for record in found]
    defaults = {name: ws.endpoints.get(name).defaults.deployment_name for name in endpoints} if ws else {}
    for record, row in zip(found, rows, strict=True):
        row["default"] = row["name"] == defaults.get(row["endpoint"])
        surrounded(record.entity, default=row["default"], model=row["model"])
    nothing = "No deployments yet."
    value = Listing([record.entity for record in found], kind="deployment", nothing=nothing)
    return Outcome(document=rows, value=value, nothing=nothing)


def show(context: Context) -> Outcome:
    """Show one deployment with the settings in force."""
    endpoint, name = split_target(context.arguments.target)
    ws = context.session.read()
    record = ws.deployments.get(endpoint, name)
    is_default = ws.endpoints.get(record.endpoint).defaults.deployment_name == record.name
    value = surrounded(record.entity, default=is_default, python=_python(record))
    return Outcome(document=described(record), value=value)


def update(context: Context) -> Outcome:
    """Change fields of a deployment; the Python that it was made with stays."""
    from batchmagic.sdk.deploy import prepare, store  # noqa: PLC0415

    endpoint, name = split_target(context.arguments.target)
    ws = context.session.read()
    stored = ws.deployments.get(endpoint, name)
    changed = changed_deployment(stored.entity, assignments(context))
    record = store(ws, prepare(ws, changed), interpreter=stored.interpreter)
    word = "is" if record.version == stored.version else "is now"
    text = f"{record.endpoint}/{record.name} {word} version {record.version}"
    return Outcome(document=described(record), value=record.entity, text=text)


def delete(context: Context) -> Outcome:
    """Delete a deployment."""
    endpoint, name = split_target(context.arguments.target)
    context.client.batch_deployments.begin_delete(name, endpoint)
    document = {"endpoint": endpoint, "deployment": name, "deleted": True}
    return Outcome(document=document, text=f"Deleted {endpoint}/{name}")


def described(record: DeploymentRecord) -> dict[str, Any]:
    """Return a deployment for people and programs: the definition, and what was frozen."""
    variables = dict.fromkeys(record.variables, "(set)") or None
    return {
        **values_of(record.entity),
        "version": record.version,
        "environment_variables": variables,
        "python": _python(record),
    }


def _python(record: DeploymentRecord) -> str:
    return f"{record.interpreter.executable} ({record.interpreter.version})"


def _row(record: DeploymentRecord) -> dict[str, Any]:
    settings = record.entity.effective_settings()
    return {
        "endpoint": record.endpoint,
        "name": record.name,
        "version": record.version,
        "default": False,
        "model": f"{record.model_name}:{record.model_version}" if record.model_name else None,
        "compute": record.entity.compute,
        "mini_batch_size": settings.mini_batch_size,
    }


def _make_default(context: Context, record: DeploymentRecord) -> None:
    endpoint = context.client.batch_endpoints.get(record.endpoint)
    endpoint.defaults.deployment_name = record.name
    context.client.batch_endpoints.begin_create_or_update(endpoint)
