"""``ml_client.models``, ``ml_client.data`` and ``ml_client.environments``: assets by name and version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar, cast

from batchmagic.entities import Data, Environment, Listing, Model
from batchmagic.entities.references import parse_reference
from batchmagic.errors import InputError, ResourceExistsError
from batchmagic.sdk.copies import copy_files
from batchmagic.sdk.given import entity_of
from batchmagic.sdk.listed import view_of
from batchmagic.sdk.pollers import LROPoller, finished
from batchmagic.sdk.refusals import Refusing

if TYPE_CHECKING:
    import os

    from batchmagic.sdk.access import Access
    from batchmagic.sdk.session import Session

A = TypeVar("A", Model, Data, Environment)


class AssetOperations(Refusing, Generic[A]):
    """What the three kinds of asset have in common."""

    def __init__(self, session: Session, kind: str) -> None:
        self._session = session
        self._kind = kind

    def get(self, name: str, version: str | None = None, label: str | None = None) -> A:
        """Return the asset of that version or label; without both, the latest.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        found = self._session.read().assets.get(
            self._kind, name, None if version is None else str(version), label=label
        )
        return cast("A", found)

    def list(self, name: str | None = None, *, list_view_type: str | None = None) -> Listing[A]:
        """Return the latest version of every asset, or all versions of `name`, newest first.

        Parameters
        ----------
        list_view_type
            ``ActiveOnly`` (unless given), ``ArchivedOnly``, or ``All``.
        """
        ws = self._session.peek()
        found = ws.assets.list(self._kind, name, archived=view_of(list_view_type)) if ws else []
        nothing = "No data yet." if self._kind == "data" else f"No {self._kind}s yet."
        return Listing([cast("A", asset) for asset in found], kind=self._kind, nothing=nothing)

    def archive(self, name: str, version: str | None = None, label: str | None = None) -> None:
        """Leave the version, or all versions, out of lists and of ``@latest``."""
        self._session.read().assets.archive(self._kind, name, self._version(name, version, label))

    def restore(self, name: str, version: str | None = None, label: str | None = None) -> None:
        """Undo `archive`."""
        self._session.read().assets.restore(self._kind, name, self._version(name, version, label))

    def begin_delete(self, name: str, version: str | None = None) -> LROPoller[None]:
        """Remove the version, or all versions; files stay while a deployment or job uses them."""
        self._session.read().assets.delete(self._kind, name, None if version is None else str(version))
        return finished(None)

    def _version(self, name: str, version: str | None, label: str | None) -> str | None:
        return self.get(name, label=label).version if label is not None else version


class ModelOperations(AssetOperations[Model]):
    """Models: snapshots that never change."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "model")

    def list(
        self, name: str | None = None, stage: str | None = None, *, list_view_type: str | None = None
    ) -> Listing[Model]:
        """Return what `AssetOperations.list` returns; `stage` leaves only models with that label."""
        found = super().list(name, list_view_type=list_view_type)
        kept = [model for model in found if stage is None or model.stage == stage]
        return Listing(kept, kind=found.kind, nothing=found.nothing)

    def create_or_update(self, model: Model, *, access: Access | None = None) -> Model:
        """Copy the model's files and return the version as it is stored; `access` has the caller's limits.

        Raises
        ------
        NotDeclared
            If the caller has not been given its path.
        """
        from batchmagic.sdk.declared import check_fetched  # noqa: PLC0415 - as the next
        from batchmagic.workspace.models import register_model  # noqa: PLC0415 - looks into MLflow's stores

        entity = _within_limits(self._session, entity_of(Model, model), access)
        _check_path(self._session, entity)
        ws = self._session.write()
        found = register_model(ws, entity, check=check_fetched(ws, access))
        for line in found.warnings:
            self._session.tell(line)
        return found.entity

    def download(self, name: str, version: str, download_path: str | os.PathLike[str] = ".") -> None:
        """Copy the model's files to ``<download_path>/<name>/<file or folder>``.

        Raises
        ------
        ResourceExistsError
            If something is there already.
        """
        source = Path(str(self.get(name, version).path))
        target = Path(download_path) / name / source.name
        if target.exists():
            raise ResourceExistsError(f"{str(target)!r} exists already.", target="download_path")
        copy_files(source, target)


class DataOperations(AssetOperations[Data]):
    """Data: names for files and folders, which stay where they are."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "data")

    def create_or_update(self, data: Data, *, access: Access | None = None) -> Data:
        """Store where the data is and return the version as it is stored; `access` has the caller's limits.

        Raises
        ------
        NotDeclared
            If the caller has not been given its path.
        """
        entity = _within_limits(self._session, entity_of(Data, data), access)
        _check_path(self._session, entity)
        return self._session.write().assets.register_data(entity)


class EnvironmentOperations(AssetOperations[Environment]):
    """Environments: recorded, and carried to Azure; scoring runs in the Python that deploys."""

    def __init__(self, session: Session) -> None:
        super().__init__(session, "environment")

    def create_or_update(self, environment: Environment, *, access: Access | None = None) -> Environment:
        """Store the definition and return the version as it is stored; `access` has the caller's limits.

        Raises
        ------
        NotDeclared
            If the caller has not been given a path in it.
        """
        entity = _within_limits(self._session, entity_of(Environment, environment), access)
        return self._session.write().assets.register_environment(entity)


def _within_limits(session: Session, entity: A, access: Access | None) -> A:
    if access is not None and access.is_limited:
        from batchmagic.sdk.declared import confine  # noqa: PLC0415 - looks into MLflow's stores

        confine(session.write(), entity, access)
    return entity


def _check_path(session: Session, entity: Model | Data) -> None:
    """Let no workspace be made for what cannot be registered."""
    if session.peek() is not None or entity.path is None:
        return
    reference = parse_reference(str(entity.path), bare="path")
    if reference.kind == "path" and not Path(reference.path or "").expanduser().exists():
        raise InputError(f"There is no file or folder {entity.path!r}.", target="path")
