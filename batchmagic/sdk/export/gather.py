"""What belongs to an endpoint, read and checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, cast

from batchmagic.entities import AmlCompute, BatchEndpoint, Environment, Model
from batchmagic.entities.references import parse_reference
from batchmagic.entities.unset import LOCAL_COMPUTE
from batchmagic.errors import InvalidName, ResourceNotFoundError, ValidationException
from batchmagic.names import check_name
from batchmagic.sdk.export import notes
from batchmagic.sdk.export.packages import environment_of, lacks_azure_needs, needed

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.deployments import DeploymentRecord

_CLUSTER = "batch-cluster"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFiles:
    """A registered model, and where its file or folder is; None where that is left out."""

    entity: Model
    source: Path | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentPlan:
    """A deployment as it goes out.

    Attributes
    ----------
    code
        The snapshot of its code.
    environment
        The reference that is written; None for none.
    environment_added
        Whether it was made for the export, because Azure needs one.
    compute
        The name that its compute has in Azure.
    """

    record: DeploymentRecord
    code: Path | None
    environment: str | None
    environment_added: bool
    compute: str

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All that is going to be written.

    Attributes
    ----------
    computes
        By the names that they have in Azure.
    """

    endpoint: BatchEndpoint
    deployments: tuple[DeploymentPlan, ...]
    computes: dict[str, AmlCompute]
    models: tuple[ModelFiles, ...]
    environments: tuple[Environment, ...]
    notes: tuple[str, ...] = field(default=())


def gather(ws: Workspace, endpoint_name: str, *, model_files: bool) -> Plan:
    """Return everything that the export of the endpoint writes.

    Raises
    ------
    UsageError
        Of the kind that fits, see `batchmagic.sdk.export.export`.
    """
    endpoint = ws.endpoints.get(endpoint_name)
    records = ws.deployments.list(endpoint.name)
    if not records:
        raise ResourceNotFoundError(
            f"The endpoint {endpoint.name!r} has no deployment to export.",
            kind="deployment",
            hint=f"`batchmagic deploy {endpoint.name}/NAME --model …` makes one.",
        )
    return _Gatherer(ws, model_files=model_files).plan(endpoint, records)


class _Gatherer:
    def __init__(self, ws: Workspace, *, model_files: bool) -> None:
        self._ws = ws
        self._model_files = model_files
        self._told: list[str] = []
        self._models: dict[tuple[str, str], ModelFiles] = {}
        self._environments: dict[tuple[str, str], Environment] = {}

    def plan(self, endpoint: BatchEndpoint, records: list[DeploymentRecord]) -> Plan:
        names = _compute_names(records)
        computes = {name: self._ws.computes.get(here) for here, name in names.items()}
        _check_names(endpoint, records, computes)
        deployments = tuple(self._deployment(record, names) for record in records)
        plan = Plan(
            endpoint=endpoint,
            deployments=deployments,
            computes=computes,
            models=tuple(self._models.values()),
            environments=tuple(self._environments.values()),
        )
        return replace(plan, notes=tuple(notes.of_plan(plan, self._told)))

    def _deployment(self, record: DeploymentRecord, names: dict[str, str]) -> DeploymentPlan:
        code = None if record.code_dir is None else self._ws.root / record.code_dir
        model = self._model(record)
        given = record.entity.environment
        environment = self._environment(record.name, given) if isinstance(given, str) else None
        added = environment is None and code is not None
        if code is not None and added:
            environment = self._frozen(record, code, model)
        return DeploymentPlan(
            record=record,
            code=code,
            environment=environment,
            environment_added=added,
            compute=names[str(record.entity.compute)],
        )

    def _model(self, record: DeploymentRecord) -> Path | None:
        """Keep the deployment's model for the plan, and return its files."""
        if record.model_name is None or record.model_version is None or record.model_dir is None:
            return None
        folder = self._ws.root / record.model_dir
        found = sorted(folder.iterdir()) if folder.is_dir() else []
        if len(found) != 1:
            raise ResourceNotFoundError(
                f"The files of model {record.model_name!r} version {record.model_version} are gone.",
                kind="model",
                hint="Register it again, and deploy again.",
            )
        try:
            entity = cast("Model", self._ws.assets.get("model", record.model_name, record.model_version))
        except ResourceNotFoundError:
            # Deleted since; what the deployment uses of it is still there.
            entity = Model(
                name=record.model_name,
                version=record.model_version,
                type=record.model_type or "custom_model",
            )
        source = found[0] if self._model_files else None
        entity.path = str(found[0])
        self._models[record.model_name, record.model_version] = ModelFiles(entity=entity, source=source)
        return found[0]

    def _environment(self, deployment: str, text: str) -> str:
        """Keep a registered environment for the plan, and return the reference with its version."""
        reference = parse_reference(text)
        if reference.registry is not None:
            self._told.append(notes.curated(deployment, text))
            return text
        entity = cast(
            "Environment",
            self._ws.assets.get("environment", str(reference.name), reference.version, label=reference.label),
        )
        lacking = lacks_azure_needs(entity)
        if lacking:
            self._told.append(notes.lacking(str(entity.name), lacking))
        return self._kept(entity)

    def _frozen(self, record: DeploymentRecord, code: Path, model: Path | None) -> str:
        found = needed(code, record.interpreter, model)
        entity = environment_of(f"{record.endpoint}-python", record.interpreter, found.pinned)
        self._told.append(notes.frozen(record.name, entity, found.missing))
        return self._kept(entity)

    def _kept(self, entity: Environment) -> str:
        self._environments[str(entity.name), str(entity.version)] = entity
        return f"azureml:{entity.name}:{entity.version}"


def _compute_names(records: list[DeploymentRecord]) -> dict[str, str]:
    """Return the name in Azure of each compute: its own, but for `local`, which means something else there."""
    used = {str(record.entity.compute) for record in records}
    names = {name: name for name in sorted(used - {LOCAL_COMPUTE})}
    if LOCAL_COMPUTE in used:
        number, free = 2, _CLUSTER
        while free in used:
            number, free = number + 1, f"{_CLUSTER}-{number}"
        names[LOCAL_COMPUTE] = free
    return names


def _check_names(
    endpoint: BatchEndpoint, records: list[DeploymentRecord], computes: dict[str, AmlCompute]
) -> None:
    """Pass when Azure takes every name that it limits.

    Raises
    ------
    ValidationException
        With Azure's rule.
    """
    named = [("endpoint", endpoint.name), *(("deployment", record.name) for record in records)]
    for kind, name in [*named, *(("compute", name) for name in computes)]:
        try:
            check_name(kind, name)
        except InvalidName as error:
            raise ValidationException(
                field=f"{kind} name", value=name, reason="is no name in Azure", hint=error.hint
            ) from error
