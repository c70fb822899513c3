"""The assets of a workspace: models and code as snapshots, data and environments as definitions."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import delete, select, update

from batchmagic.entities.load import text_of
from batchmagic.entities.references import parse_reference
from batchmagic.entities.yaml_source import read_document
from batchmagic.errors import InputError, ResourceExistsError, ValidationException
from batchmagic.names import check_name
from batchmagic.workspace import asset_records as rows
from batchmagic.workspace.folders import folder_in, private_folder, remove_tree
from batchmagic.workspace.garbage import INCOMING, collect
from batchmagic.workspace.records import refuse_twin
from batchmagic.workspace.redaction import redact
from batchmagic.workspace.snapshot import CODE_IGNORED, Snapshot, take
from batchmagic.workspace.tables import assets

if TYPE_CHECKING:
    import builtins
    from collections.abc import Iterator, Mapping

    from sqlalchemy import ColumnElement, Connection

    from batchmagic.entities import Data, Environment, Model
    from batchmagic.workspace.asset_records import Asset, AssetRecord
    from batchmagic.workspace.database import Database
    from batchmagic.workspace.secret_store import SecretStore


class AssetStore:
    """Assets by kind (``model``, ``environment``, ``data``), name, and version or label."""

    def __init__(self, database: Database, root: Path, secret_store: SecretStore) -> None:
        self._database = database
        self._root = root
        self._secrets = secret_store

    def register_model(
        self, model: Model, *, reuse: bool = False, anonymous: bool = False, child: str | None = None
    ) -> Model:
        """Snapshot the model's local `path` and return it as it is stored.

        Parameters
        ----------
        model
            Without a version it gets the next number; without a name, one from its content.
        reuse
            Return a version that holds the same content instead of making another.
        anonymous
            Keep it out of lists.
        child
            The name of the model's file or folder in the snapshot; by default that of the source.

        Raises
        ------
        ValidationException
            If the path does not exist, is empty, or is not the MLflow model that the type says.
        ResourceExistsError
            If the version exists with other content.
        """
        source = _model_source(model)
        incoming = folder_in(self._root, f"{INCOMING}/{secrets.token_hex(8)}")
        try:
            child = child or source.name
            found = take(source, incoming / child)
            if found.files == 0:
                raise ValidationException(field="path", value=str(source), reason="is an empty folder")
            stored = self._add_model(model, incoming, child, found, reuse=reuse, anonymous=anonymous)
        finally:
            remove_tree(incoming)
        return cast("Model", stored.entity(self._root))

    def register_code(self, folder: Path) -> str:
        """Snapshot the code folder and return where it is, relative to the workspace; equal content is kept once."""
        incoming = folder_in(self._root, INCOMING)
        new = incoming / secrets.token_hex(8)
        try:
            found = take(Path(folder), new, ignored=CODE_IGNORED)
            relative = f"assets/code/{found.digest}"
            target = self._root / relative
            private_folder(target.parent)
            new.chmod(0o700)  # or not every user could rename it
            try:
                new.rename(target)
            except OSError:
                if not target.is_dir():
                    raise
            target.chmod(0o500)
            os.utime(target)  # not garbage before the deployment refers to it
        finally:
            remove_tree(new)
        return relative

    def register_data(self, data: Data) -> Data:
        """Keep where the data is and return it as it is stored; credentials of a URI go to the secrets.

        Raises
        ------
        InputError
            If a local path does not exist or is not what the type says.
        ResourceExistsError
            If the version exists with another path or type.
        """
        path = data_path(data)
        body = {**data.to_dict(), "path": path}
        hidden = {"path": path} if redact(path) != path else {}
        stored = self._add("data", data.name, data.version, body, identity=("path", "type"), hidden=hidden)
        return cast("Data", stored.entity(self._root))

    def register_environment(self, environment: Environment) -> Environment:
        """Keep the definition and return it as it is stored.

        Raises
        ------
        ResourceExistsError
            If the version exists with another image, build or conda file.
        """
        body = _with_conda_content(environment.to_dict())
        identity = ("image", "build", "conda_file")
        stored = self._add("environment", environment.name, environment.version, body, identity=identity)
        return cast("Environment", stored.entity(self._root))

    def get(self, kind: str, name: str, version: str | None = None, *, label: str | None = None) -> Asset:
        """Return the asset; without version and label, the newest that is not archived.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        return self.record(kind, name, version, label=label).entity(self._root)

    def record(
        self, kind: str, name: str, version: str | None = None, *, label: str | None = None
    ) -> AssetRecord:
        """Return what the workspace knows of the asset that `get` would return."""
        with self._database.read() as connection:
            return rows.find(connection, kind, name, version, label)

    def list(self, kind: str, name: str | None = None, *, archived: bool | None = False) -> list[Asset]:
        """Return the newest version of every name, or all versions of `name`, newest first.

        Parameters
        ----------
        archived
            Only archived versions, only others, or (None) both.
        """
        return [found.entity(self._root) for found in self.records(kind, name, archived=archived)]

    def records(
        self, kind: str, name: str | None = None, *, archived: bool | None = False
    ) -> builtins.list[AssetRecord]:
        """Return what the workspace knows of the assets that `list` would return."""
        query = select(assets).where(assets.c.kind == rows.known_kind(kind)).order_by(assets.c.seq.desc())
        if name is not None:
            query = query.where(assets.c.name == name)
        else:
            query = (
                query.where(rows.newest_of_each(kind, archived=archived))
                .order_by(None)
                .order_by(assets.c.name)
            )
        if archived is not None:
            query = query.where(assets.c.archived == archived)
        with self._database.read() as connection:
            return [rows.record(row) for row in connection.execute(query)]

    def location(self, data: AssetRecord) -> str:
        """Return the path or URI of registered data with its credentials, for reading only."""
        return self._secrets.get(self.secret_key(data)).get("path") or str(data.body["path"])

    def note_published(self, item: AssetRecord, uri: str) -> None:
        """Keep as what the model is known in an MLflow store."""
        with self._database.write() as connection:
            connection.execute(update(assets).where(assets.c.seq == item.seq).values(mlflow_uri=uri))

    def archive(self, kind: str, name: str, version: str | None = None) -> None:
        """Leave the version, or all versions, out of lists and of ``@latest``; by version they are still found."""
        self._set_archived(kind, name, version, archived=True)

    def restore(self, kind: str, name: str, version: str | None = None) -> None:
        """Undo `archive`."""
        self._set_archived(kind, name, version, archived=False)

    def delete(self, kind: str, name: str, version: str | None = None) -> None:
        """Remove the version, or all versions; files stay while a deployment or job uses them."""
        with self._database.write() as connection:
            gone = self._chosen(connection, kind, name, version)
            connection.execute(delete(assets).where(assets.c.seq.in_([item.seq for item in gone])))
        for item in gone:
            self._secrets.delete(self.secret_key(item))
        collect(self._database, self._root)

    @staticmethod
    def secret_key(item: AssetRecord) -> str:
        """Return the key of the credentials of data; a version may be as long as a key, so it is hashed."""
        digest = hashlib.sha256(f"{item.name.lower()}\0{item.version.lower()}".encode()).hexdigest()
        return f"{item.kind}.{digest[:32]}"

    def _add_model(
        self, model: Model, incoming: Path, child: str, found: Snapshot, *, reuse: bool, anonymous: bool
    ) -> AssetRecord:
        name = check_name("model", model.name or rows.name_by_content(found.digest, child, model.type))
        version = model.version or (None if model.name else "1")
        body = redact({**model.to_dict(), "name": name, "path": child})
        with self._database.write() as connection:
            refuse_twin(connection, assets, "model", name, assets.c.kind == "model")
            same = self._same_model(connection, name, version, found, body, reuse=reuse)
            if same is None:
                version = rows.give_version(connection, "model", name, version)
                directory = self._settle(incoming, name, version)
                rows.add(
                    connection,
                    "model",
                    name,
                    version,
                    body={**body, "version": version},
                    directory=directory,
                    digest=found.digest,
                    bytes=found.bytes,
                    anonymous=anonymous or model.name is None,
                )
                same = rows.find(connection, "model", name, version)
        return same

    @staticmethod
    def _same_model(
        connection: Connection,
        name: str,
        version: str | None,
        found: Snapshot,
        body: dict[str, Any],
        *,
        reuse: bool,
    ) -> AssetRecord | None:
        if version is None:
            if not reuse:
                return None
            return rows.same_model(connection, name, found.digest, body)
        stored = rows.existing(connection, "model", name, version)
        if stored is None:
            return None
        if stored.digest != found.digest or any(
            stored.body.get(key) != body.get(key) for key in ("path", "type")
        ):
            raise _exists("model", name, version)
        rows.change_body(connection, stored, {**body, "version": version})
        return rows.existing(connection, "model", name, version)

    def _settle(self, incoming: Path, name: str, version: str) -> str:
        # A folder may be there still: files of a deleted version that a job uses.
        parent = folder_in(self._root, f"assets/models/{name}")
        for directory in _free(parent, version):
            incoming.rename(directory)
            directory.chmod(0o500)
            return directory.relative_to(self._root).as_posix()
        raise AssertionError("unreachable: the numbers do not end")

    def _add(
        self,
        kind: str,
        name: str | None,
        version: str | None,
        body: dict[str, Any],
        *,
        identity: tuple[str, ...],
        hidden: Mapping[str, str] | None = None,
    ) -> AssetRecord:
        clean = redact(body)
        if name is None:
            name = hashlib.sha256(json.dumps(clean, sort_keys=True).encode()).hexdigest()[:32]
            version = version or "1"
            anonymous = True
        else:
            anonymous = False
        check_name(kind, name)
        with self._database.write() as connection:
            refuse_twin(connection, assets, kind, name, assets.c.kind == kind)
            stored = None if version is None else rows.existing(connection, kind, name, version)
            version = rows.give_version(connection, kind, name, version)
            clean |= {"name": name, "version": version}
            if stored is None:
                rows.add(connection, kind, name, version, body=clean, anonymous=anonymous)
            elif any(stored.body.get(key) != clean.get(key) for key in identity):
                raise _exists(kind, name, version)
            else:
                rows.change_body(connection, stored, clean)
            found = rows.find(connection, kind, name, version)
            self._secrets.put(self.secret_key(found), hidden or {})
        return found

    def _set_archived(self, kind: str, name: str, version: str | None, *, archived: bool) -> None:
        with self._database.write() as connection:
            chosen: ColumnElement[bool] = assets.c.seq.in_(
                [item.seq for item in self._chosen(connection, kind, name, version)]
            )
            connection.execute(update(assets).where(chosen).values(archived=archived))

    @staticmethod
    def _chosen(
        connection: Connection, kind: str, name: str, version: str | None
    ) -> builtins.list[AssetRecord]:
        query = select(assets).where(assets.c.kind == rows.known_kind(kind), assets.c.name == name)
        if version is not None:
            query = query.where(assets.c.version == version)
        found = [rows.record(row) for row in connection.execute(query)]
        return found or [rows.find(connection, kind, name, version)]  # which says what is missing


def _free(parent: Path, version: str) -> Iterator[Path]:
    number = 1
    while True:
        # No version holds a tilde, so these never meet.
        path = parent / (version if number == 1 else f"{version}~{number}")
        if not path.exists():
            yield path
        number += 1


def _exists(kind: str, name: str, version: str) -> ResourceExistsError:
    return ResourceExistsError(
        f"Version {version} of {kind} {name!r} exists with other content; versions do not change.",
        target=kind,
        hint="Leave the version out to get the next one.",
    )


def _model_source(model: Model) -> Path:
    if model.path is None:
        raise ValidationException(
            field="path", value=None, reason="is missing", hint="Give the model's file or folder."
        )
    reference = parse_reference(model.path, bare="path")
    if reference.kind != "path" or reference.path is None:
        raise ValidationException(field="path", value=redact(model.path), reason="is not a local path")
    source = Path(reference.path).expanduser().absolute()
    source = source if source.name not in {"", ".."} else source.resolve()
    if not source.exists():
        raise ValidationException(field="path", value=str(source), reason="does not exist")
    if model.type == "mlflow_model" and not (source / "MLmodel").is_file():
        raise ValidationException(
            field="path",
            value=str(source),
            reason="is not an MLflow model: it has no file MLmodel",
            hint="Give the folder that mlflow.….save_model wrote, or type custom_model.",
        )
    return source


def _with_conda_content(body: dict[str, Any]) -> dict[str, Any]:
    """Return the definition with the conda file's content in place of its path, which may change or go."""
    conda = body.get("conda_file")
    if not isinstance(conda, str):
        return body
    path = Path(conda).expanduser()
    if not path.exists():
        raise ValidationException(field="conda_file", value=conda, reason="does not exist")
    return {**body, "conda_file": read_document(text_of(path), name=str(path)).data}


def data_path(data: Data) -> str:
    """Return where the data is: an absolute path, or the address as it is given.

    Raises
    ------
    InputError
        If a local path does not exist or is not what the type says.
    """
    reference = parse_reference(data.path, bare="path")
    if reference.kind != "path" or reference.path is None:
        return str(data.path)
    path = Path(os.path.abspath(Path(reference.path).expanduser()))  # noqa: PTH100 - a link stays what the user named
    if not path.exists():
        raise InputError(f"The path {str(path)!r} of data {data.name!r} does not exist.", target="path")
    is_file = data.type == "uri_file"
    if path.is_dir() == is_file:
        raise InputError(
            f"The path {str(path)!r} is a {'folder' if is_file else 'file'}, not the {data.type} that the type says.",
            target="path",
            hint=f"Use type {'uri_folder' if is_file else 'uri_file'}.",
        )
    return str(path)
