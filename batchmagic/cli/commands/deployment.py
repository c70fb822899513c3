"""``deployment create | list | show | update | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.cli.commands.definitions import assignments, deployment_values, read_definition, split_target
from batchmagic.cli.render import done, show_one, show_rows
from batchmagic.entities import BatchDeployment
from batchmagic.entities.overrides import overridden
from batchmagic.errors import UsageError

if TYPE_CHECKING:
    from batchmagic.cli.context import Context
    from batchmagic.workspace.deployments import DeploymentRecord


def create(context: Context) -> None:
    """Create or update a deployment from options, a YAML definition, or a definition with options on top."""
    from batchmagic.sdk.deploy import prepare, store  # noqa: PLC0415

    session = context.client.session
    entity = definition(context)
    record = store(session.write(), prepare(session.peek(), entity))
    if context.given("default"):
        _make_default(context, record)
    done(
        f"Deployed {record.endpoint}/{record.name}, version {record.version}", described(record), context.form
    )


def definition(context: Context) -> BatchDeployment:
    """Return the deployment that the arguments define."""
    target, file = context.given("target"), context.given("file")
    if file is not None:
        names = dict(zip(("endpoint_name", "name"), split_target(target), strict=True)) if target else {}
        return read_definition(
            BatchDeployment, file, {**deployment_values(context, plain=True), **names, **assignments(context)}
        )
    if target is None:
        raise UsageError("Name the deployment as ENDPOINT/DEPLOYMENT, or give a definition with --file.")
    endpoint, name = split_target(target)
    values = {"endpoint_name": endpoint, "name": name, **deployment_values(context)}
    return BatchDeployment.from_dict(overridden(values, [assignments(context)]))


def list_(context: Context) -> None:
    """List the deployments of one endpoint, or of all."""
    session = context.client.session
    ws = session.read() if context.given("endpoint") else session.peek()
    endpoints = (
        [context.arguments.endpoint]
        if context.given("endpoint")
        else [e.name for e in ws.endpoints.list()]
        if ws
        else []
    )
    rows = [_row(record) for name in endpoints for record in (ws.deployments.list(name) if ws else [])]
    defaults = {name: ws.endpoints.get(name).defaults.deployment_name for name in endpoints} if ws else {}
    for row in rows:
        row["default"] = row["name"] == defaults.get(row["endpoint"])
    show_rows(rows, context.form, nothing="No deployments yet.")


def show(context: Context) -> None:
    """Show one deployment with the settings in force."""
    endpoint, name = split_target(context.arguments.target)
    show_one(described(context.client.session.read().deployments.get(endpoint, name)), context.form)


def update(context: Context) -> None:
    """Change fields of a deployment; the Python that it was made with stays."""
    from batchmagic.sdk.deploy import prepare, store  # noqa: PLC0415

    endpoint, name = split_target(context.arguments.target)
    ws = context.client.session.read()
    stored = ws.deployments.get(endpoint, name)
    changed = _with(stored.entity, assignments(context))
    record = store(ws, prepare(ws, changed), interpreter=stored.interpreter)
    word = "is" if record.version == stored.version else "is now"
    done(f"{record.endpoint}/{record.name} {word} version {record.version}", described(record), context.form)


def delete(context: Context) -> None:
    """Delete a deployment."""
    endpoint, name = split_target(context.arguments.target)
    context.client.batch_deployments.begin_delete(name, endpoint)
    done(
        f"Deleted {endpoint}/{name}",
        {"endpoint": endpoint, "deployment": name, "deleted": True},
        context.form,
    )


def described(record: DeploymentRecord) -> dict[str, Any]:
    """Return a deployment for people and programs: the definition, and what was frozen."""
    body = record.entity.to_dict()
    settings = record.entity.effective_settings()
    shown = {key: value for key, value in settings.to_json().items() if value not in (None, ())}
    shown["output_format"] = settings.effective_format()
    shown.pop("environment_variables", None)
    return {
        "endpoint": record.endpoint,
        "name": record.name,
        "version": record.version,
        "model": body.get("model"),
        "code": body.get("code_configuration"),
        "environment": body.get("environment"),
        "compute": record.entity.compute,
        "settings": shown,
        "environment_variables": dict.fromkeys(record.variables, "(set)") or None,
        "python": f"{record.interpreter.executable} ({record.interpreter.version})",
        "description": record.entity.description,
        "tags": dict(record.entity.tags) or None,
        "created_at": record.created_at,
    }


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


def _with(entity: BatchDeployment, changes: dict[str, Any]) -> BatchDeployment:
    from batchmagic.entities import origin_of, stamp  # noqa: PLC0415

    changed = BatchDeployment.from_dict(overridden(entity.to_dict(reveal=True), [changes]))
    # It stays the stored one, so that unchanged code is not read again from where it once was.
    stamp(changed, origin_of(entity))
    return changed


def _make_default(context: Context, record: DeploymentRecord) -> None:
    endpoint = context.client.batch_endpoints.get(record.endpoint)
    endpoint.defaults.deployment_name = record.name
    context.client.batch_endpoints.begin_create_or_update(endpoint)
