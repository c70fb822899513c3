"""``apply``: everything that YAML documents define, checked whole before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Data, Environment, Model, Resource
from batchmagic.entities.kinds import KINDS
from batchmagic.errors import UsageError
from batchmagic.names import nearest
from batchmagic.verbs.definitions import assignments, definition_text
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context

# What is referred to comes before what refers to it.
_ORDER: tuple[type[Resource], ...] = (AmlCompute, Model, Environment, Data, BatchEndpoint, BatchDeployment)
_WORDS = {AmlCompute: "compute", BatchEndpoint: "endpoint", BatchDeployment: "deployment"}


def apply(context: Context) -> Outcome:
    """Create or update every entity that is defined, in an order that works."""
    from batchmagic.entities.load import load_documents  # noqa: PLC0415

    source = definition_text(context)
    if source is None:
        raise UsageError("There is nothing to apply.", hint=f"Give a file: {context.command} apply --file F")
    found = load_documents(
        source.text, source.origin, name=source.name, values=source.values, overrides=_overrides(context)
    )
    found.sort(key=lambda entity: next(i for i, kind in enumerate(_ORDER) if isinstance(entity, kind)))
    _check(context, found)
    stored = [_put(context, entity, found) for entity in found]
    # An endpoint may name a default deployment that has come only now.
    for entity in found:
        if isinstance(entity, BatchEndpoint) and entity.defaults.deployment_name:
            context.client.batch_endpoints.begin_create_or_update(entity)
    rows = [_row(entity) for entity in stored]
    text = "\n".join(_line(row) for row in rows) if context.command.startswith("%") else ""
    return Outcome(document=rows, value=stored or None, text=text, nothing="Nothing is defined.")


def _overrides(context: Context) -> dict[str, dict[str, Any]]:
    """Return what ``--set KIND.KEY=VALUE`` says, by kind."""
    changes: dict[str, dict[str, Any]] = {}
    for dotted, value in assignments(context).items():
        kind, _, key = dotted.partition(".")
        if kind not in KINDS or not key:
            near = nearest(kind, KINDS)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(KINDS)}."
            raise UsageError(f"--set {dotted}: in front of the field stands its kind.", hint=hint)
        changes.setdefault(kind, {})[key] = value
    return changes


def _check(context: Context, found: list[Resource]) -> None:
    """Pass when each can be stored, those before it being there: what is wrong with one must not leave a part."""
    from batchmagic.sdk.deploy import check_path, prepare  # noqa: PLC0415
    from batchmagic.workspace.assets import data_path  # noqa: PLC0415

    ws = context.session.peek()
    for entity in found:
        if isinstance(entity, BatchDeployment):
            prepare(ws, entity, coming=found)
        elif isinstance(entity, Data):
            data_path(entity)
        elif isinstance(entity, Model):
            check_path(entity)


def _put(context: Context, entity: Resource, found: list[Resource]) -> Any:
    if isinstance(entity, BatchEndpoint):
        coming = {d.name for d in found if isinstance(d, BatchDeployment) and d.endpoint_name == entity.name}
        if entity.defaults.deployment_name in coming:
            entity = entity.model_copy(deep=True)
            entity.defaults.deployment_name = _default_now(context, entity.name)
    return context.client.create_or_update(entity)


def _default_now(context: Context, endpoint: str) -> str | None:
    ws = context.session.peek()
    known = {stored.name: stored.defaults.deployment_name for stored in ws.endpoints.list()} if ws else {}
    return known.get(endpoint)


def _row(entity: Any) -> dict[str, Any]:
    kind = next(kind for kind in _ORDER if isinstance(entity, kind))
    name = f"{entity.endpoint_name}/{entity.name}" if isinstance(entity, BatchDeployment) else entity.name
    return {
        "kind": _WORDS.get(kind, kind.__name__.lower()),
        "name": name,
        "version": getattr(entity, "version", None) or _version(entity),
    }


def _version(entity: Any) -> str | None:
    return entity.id.rpartition("/")[2] if isinstance(entity, BatchDeployment) and entity.id else None


def _line(row: dict[str, Any]) -> str:
    version = f", version {row['version']}" if row["version"] else ""
    return f"{row['kind'].capitalize()} {row['name']}{version}"
