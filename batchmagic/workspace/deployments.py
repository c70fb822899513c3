"""The deployments of a workspace, every version of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import delete, insert, select, update

from batchmagic.entities import BatchDeployment
from batchmagic.entities.deployment import CELL
from batchmagic.entities.job_spec import Interpreter
from batchmagic.errors import ResourceNotFoundError, ValidationException
from batchmagic.names import check_name
from batchmagic.workspace.endpoints import clear_default, secret_key, secret_keys
from batchmagic.workspace.records import moment, next_number, now, refuse_twin, stamped
from batchmagic.workspace.redaction import redact
from batchmagic.workspace.tables import deployment_versions, deployments, endpoints

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Row

    from batchmagic.workspace.database import Database
    from batchmagic.workspace.secret_store import SecretStore


class DeployedModel(Protocol):
    """A registered model: an `AssetRecord`, or what `models.resolve_model` returns."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def type(self) -> str:
        """``mlflow_model``, ``custom_model`` or ``triton_model``."""

    @property
    def directory(self) -> str | None:
        """The folder, relative to the workspace, that holds exactly one child."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentRecord:
    """One version of a deployment, with all that was frozen when it was made.

    Attributes
    ----------
    version
        1 for the first; every put that changes anything makes the next.
    entity
        The definition; its environment variables have None for values.
    code_dir, model_dir
        Snapshots, relative to the workspace.
    variables
        Names of the environment variables; the values are in the secrets under `secret_key`.
    """

    endpoint: str
    name: str
    version: int
    entity: BatchDeployment
    interpreter: Interpreter
    code_dir: str | None
    model_name: str | None
    model_version: str | None
    model_type: str | None
    model_dir: str | None
    variables: tuple[str, ...]
    created_at: datetime | None

    @property
    def secret_key(self) -> str:
        """The key of the values of its environment variables."""
        return secret_key(self.endpoint, self.name, self.version)


class DeploymentStore:
    """Deployments by endpoint, name and version. `forget` is that of `EndpointStore`."""

    def __init__(
        self, database: Database, secrets: SecretStore, *, forget: Callable[[Iterable[str]], None]
    ) -> None:
        self._database = database
        self._secrets = secrets
        self._forget = forget

    def put(
        self,
        deployment: BatchDeployment,
        *,
        interpreter: Interpreter,
        model: DeployedModel | None,
        code_dir: str | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> DeploymentRecord:
        """Store the deployment and return its current version: a new one only if anything is different.

        The number of the cell that holds the script is no difference: the current version gets it.

        Parameters
        ----------
        deployment
            Its endpoint must exist.
        secrets
            Values of environment variables; they join those in the definition. A variable that has no
            value anywhere (None) keeps the one of the version before.

        Raises
        ------
        ResourceNotFoundError
            If there is no such endpoint.
        ValidationException
            If a variable has no value and had none before.
        """
        name, endpoint = str(deployment.name), str(deployment.endpoint_name)
        check_name("deployment", name)
        content = _content(deployment, interpreter, model, code_dir)
        with self._database.write() as connection:
            endpoint = _existing_endpoint(connection, endpoint)
            refuse_twin(connection, deployments, "deployment", name, deployments.c.endpoint == endpoint)
            current = _current(connection, endpoint, name)
            values = self._values(deployment, secrets or {}, current)
            content["variables"] = sorted(values)
            if current is not None and self._unchanged(current, content, values):
                return _record(_labelled(connection, current, content["body"]))
            version = next_number(connection, "deployment", f"{endpoint}/{name}")
            # Before the commit: once the version is seen, its values are there.
            self._secrets.put(secret_key(endpoint, name, version), values)
            _add_version(connection, endpoint, name, version, content, is_new=current is None)
        return self.get(endpoint, name, version)

    def get(self, endpoint: str, name: str, version: int | None = None) -> DeploymentRecord:
        """Return a version of the deployment, the current one unless `version` is given.

        Raises
        ------
        ResourceNotFoundError
            If there is no such endpoint, deployment or version.
        """
        with self._database.read() as connection:
            endpoint = _existing_endpoint(connection, endpoint)
            row = _current(connection, endpoint, name)
            if row is None:
                known = connection.execute(
                    select(deployments.c.name).where(deployments.c.endpoint == endpoint)
                )
                raise ResourceNotFoundError(
                    f"The endpoint {endpoint!r} has no deployment {name!r}.",
                    kind="deployment",
                    name=name,
                    known=known.scalars().all(),
                )
            if version is not None and version != row.version:
                row = connection.execute(
                    select(deployment_versions).where(
                        *_is(endpoint, name), deployment_versions.c.version == version
                    )
                ).one_or_none()
        if row is None:
            raise ResourceNotFoundError(f"{endpoint}/{name} has no version {version}.", kind="deployment")
        return _record(row)

    def list(self, endpoint: str) -> list[DeploymentRecord]:
        """Return the current versions of the endpoint's deployments by name."""
        with self._database.read() as connection:
            endpoint = _existing_endpoint(connection, endpoint)
            rows = connection.execute(
                _CURRENT.where(deployments.c.endpoint == endpoint).order_by(deployments.c.name)
            ).all()
        return [_record(row) for row in rows]

    def versions(self, endpoint: str, name: str) -> builtins.list[DeploymentRecord]:
        """Return all versions of the deployment, newest first."""
        self.get(endpoint, name)
        with self._database.read() as connection:
            rows = connection.execute(
                select(deployment_versions)
                .where(*_is(endpoint, name))
                .order_by(deployment_versions.c.version.desc())
            ).all()
        return [_record(row) for row in rows]

    def delete(self, endpoint: str, name: str) -> None:
        """Remove all versions and their secrets; an endpoint that had it as default has none then.

        Jobs stay, with the files that they use.
        """
        stored = self.get(endpoint, name)
        with self._database.write() as connection:
            keys = secret_keys(connection, stored.endpoint, stored.name)
            connection.execute(
                delete(deployments).where(
                    deployments.c.endpoint == stored.endpoint, deployments.c.name == stored.name
                )
            )
            clear_default(connection, stored.endpoint, stored.name)
        self._forget(keys)

    def _values(
        self, deployment: BatchDeployment, given: Mapping[str, str], current: Row[Any] | None
    ) -> dict[str, str]:
        before = self._stored(current)
        values = dict(given)
        for name, value in dict(deployment.environment_variables or {}).items():
            kept = values.get(name, value if value is not None else before.get(name))
            if kept is None:
                raise ValidationException(
                    field=f"environment_variables.{name}", value=None, reason="has no value", hint="Give one."
                )
            values[name] = kept
        return values

    def _unchanged(self, current: Row[Any], content: dict[str, Any], values: dict[str, str]) -> bool:
        stored = current._mapping  # noqa: SLF001 - SQLAlchemy's public name for it
        same = all(stored[key] == value for key, value in content.items() if key != "body")
        same_body = _without_cell(stored["body"]) == _without_cell(content["body"])
        return same and same_body and self._stored(current) == values

    def _stored(self, row: Row[Any] | None) -> dict[str, str]:
        return {} if row is None else self._secrets.get(secret_key(row.endpoint, row.name, row.version))


_CURRENT = select(deployment_versions).join_from(
    deployments,
    deployment_versions,
    (deployments.c.endpoint == deployment_versions.c.endpoint)
    & (deployments.c.name == deployment_versions.c.name)
    & (deployments.c.version == deployment_versions.c.version),
)


def _content(
    deployment: BatchDeployment, interpreter: Interpreter, model: DeployedModel | None, code_dir: str | None
) -> dict[str, Any]:
    return {
        "body": redact(deployment.to_dict()),
        "interpreter": asdict(interpreter),
        "code_dir": code_dir,
        "model_name": model.name if model else None,
        "model_version": model.version if model else None,
        "model_type": model.type if model else None,
        "model_dir": model.directory if model else None,
    }


def _without_cell(body: Mapping[str, Any]) -> dict[str, Any]:
    properties = {key: value for key, value in body.get("properties", {}).items() if key != CELL}
    return {key: value for key, value in body.items() if key != "properties"} | {"properties": properties}


def _labelled(connection: Connection, current: Row[Any], body: Mapping[str, Any]) -> Row[Any]:
    """Return the current version with the cell's number as it stands in `body`."""
    if current.body == body:
        return current
    here = deployment_versions.c.version == current.version
    where = (*_is(current.endpoint, current.name), here)
    connection.execute(update(deployment_versions).where(*where).values(body=body))
    return connection.execute(select(deployment_versions).where(*where)).one()


def _add_version(
    connection: Connection, endpoint: str, name: str, version: int, content: dict[str, Any], *, is_new: bool
) -> None:
    time = now()
    if is_new:
        connection.execute(
            insert(deployments).values(endpoint=endpoint, name=name, version=version, created_at=time)
        )
    else:
        where = deployments.c.endpoint == endpoint, deployments.c.name == name
        connection.execute(update(deployments).where(*where).values(version=version))
    connection.execute(
        insert(deployment_versions).values(
            endpoint=endpoint, name=name, version=version, created_at=time, **content
        )
    )


def _existing_endpoint(connection: Connection, name: str) -> str:
    stored = connection.execute(select(endpoints.c.name).where(endpoints.c.name == name)).scalar()
    if stored is None:
        known = connection.execute(select(endpoints.c.name)).scalars().all()
        raise ResourceNotFoundError(kind="endpoint", name=name, known=known)
    return str(stored)


def _is(endpoint: str, name: str) -> tuple[ColumnElement[bool], ...]:
    return deployment_versions.c.endpoint == endpoint, deployment_versions.c.name == name


def _current(connection: Connection, endpoint: str, name: str) -> Row[Any] | None:
    return connection.execute(
        _CURRENT.where(deployments.c.endpoint == endpoint, deployments.c.name == name)
    ).one_or_none()


def _record(row: Row[Any]) -> DeploymentRecord:
    entity = BatchDeployment.from_dict(row.body)
    identifier = f"azureml:endpoints/{row.endpoint}/deployments/{row.name}/{row.version}"
    return DeploymentRecord(
        endpoint=row.endpoint,
        name=row.name,
        version=row.version,
        entity=stamped(entity, identifier, row.created_at, row.created_at),
        interpreter=Interpreter(**row.interpreter),
        code_dir=row.code_dir,
        model_name=row.model_name,
        model_version=row.model_version,
        model_type=row.model_type,
        model_dir=row.model_dir,
        variables=tuple(row.variables),
        created_at=moment(row.created_at),
    )
