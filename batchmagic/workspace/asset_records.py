"""The rows of assets: found by version or label, versions given out, turned into entities."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, insert, select, update

from batchmagic.entities import Data, Environment, Model
from batchmagic.errors import ResourceNotFoundError, ValidationException
from batchmagic.workspace.records import moment, next_number, now, raise_number, stamped
from batchmagic.workspace.tables import assets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import ColumnElement, Connection, Row

Asset = Model | Environment | Data
KINDS: dict[str, type[Model | Environment | Data]] = {
    "model": Model,
    "environment": Environment,
    "data": Data,
}
LATEST = "latest"


@dataclass(frozen=True, kw_only=True, slots=True)
class AssetRecord:
    """What the workspace knows of one version of an asset.

    Attributes
    ----------
    type
        ``mlflow_model``, ``uri_folder``, …; None for an environment.
    directory
        The snapshot, relative to the workspace: a folder that holds exactly one child, the model.
        None for data and environments.
    digest
        Of the snapshot's names and contents.
    anonymous
        Registered without a name by a deployment; lists leave it out.
    mlflow_uri
        What it is in the MLflow store where it was registered too, ``models:/<name>/<version>``.
    """

    seq: int
    kind: str
    name: str
    version: str
    type: str | None
    body: dict[str, Any]
    directory: str | None
    digest: str | None
    bytes: int
    archived: bool
    anonymous: bool
    mlflow_uri: str | None
    created_at: datetime | None
    modified_at: datetime | None

    def entity(self, root: Path) -> Asset:
        """Return the definition; the path of a model is that of its snapshot below `root`."""
        body = dict(self.body)
        if self.directory is not None and "path" in body:
            body["path"] = str(root / self.directory / body["path"])
        entity = KINDS[self.kind].from_dict(body)
        created, modified = self.created_at, self.modified_at
        identifier = f"azureml:{self.name}:{self.version}"
        times = [time.timestamp() if time else 0.0 for time in (created, modified)]
        return stamped(entity, identifier, times[0], times[1])


def known_kind(kind: str) -> str:
    """Return `kind` if assets of that kind exist."""
    if kind not in KINDS:
        raise ValidationException(
            field="kind", value=kind, reason="is no kind of asset", hint=f"Known: {', '.join(KINDS)}."
        )
    return kind


def find(
    connection: Connection, kind: str, name: str, version: str | None = None, label: str | None = None
) -> AssetRecord:
    """Return the asset of that version; without one, or with the label ``latest``, the newest not archived.

    Raises
    ------
    ResourceNotFoundError
        If there is no such name, version or label; what there is, is suggested.
    """
    if label is not None and label != LATEST:
        raise ResourceNotFoundError(kind=f"label of {kind} {name}", name=label, known=[LATEST])
    rows = select(assets).where(assets.c.kind == known_kind(kind), assets.c.name == name)
    chosen = (
        rows.where(assets.c.version == version) if version is not None else rows.where(~assets.c.archived)
    )
    row = connection.execute(chosen.order_by(assets.c.seq.desc()).limit(1)).one_or_none()
    if row is None:
        raise _not_found(connection, kind, name, version)
    return record(row)


def record(row: Row[Any]) -> AssetRecord:
    """Return the record of a row."""
    return AssetRecord(
        seq=row.seq,
        kind=row.kind,
        name=row.name,
        version=row.version,
        type=row.body.get("type") or ("custom_model" if row.kind == "model" else None),
        body=row.body,
        directory=row.directory,
        digest=row.digest,
        bytes=row.bytes,
        archived=row.archived,
        anonymous=row.anonymous,
        mlflow_uri=row.mlflow_uri,
        created_at=moment(row.created_at),
        modified_at=moment(row.modified_at),
    )


def existing(connection: Connection, kind: str, name: str, version: str) -> AssetRecord | None:
    """Return the asset of exactly that version, if there is one."""
    row = connection.execute(select(assets).where(*is_version(kind, name, version))).one_or_none()
    return None if row is None else record(row)


def name_by_content(digest: str, child: str, type_: str) -> str:
    """Return the name of a model that has none: scripts find it as `child`, so that is a part of what it is."""
    return hashlib.sha256(f"{child}\0{type_}\0{digest}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


def same_model(connection: Connection, name: str, digest: str, body: Mapping[str, Any]) -> AssetRecord | None:
    """Return the newest version of a model with the same content, type, and name of its file or folder."""
    rows = connection.execute(
        select(assets)
        .where(assets.c.kind == "model", assets.c.name == name, assets.c.digest == digest, ~assets.c.archived)
        .order_by(assets.c.seq.desc())
    )
    wanted = str(body.get("type", "custom_model"))
    alike = (found for found in map(record, rows) if found.type == wanted)
    return next((found for found in alike if found.body["path"] == body["path"]), None)


def is_version(kind: str, name: str, version: str) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions for exactly one version."""
    return assets.c.kind == kind, assets.c.name == name, assets.c.version == version


def give_version(connection: Connection, kind: str, name: str, wanted: str | None) -> str:
    """Return `wanted`, or the next number of that name that was never given out."""
    if wanted is not None:
        if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10:  # noqa: PLR2004 - a number, no date or hash
            raise_number(connection, kind, name, int(wanted))
        return wanted
    version = str(next_number(connection, kind, name))
    while existing(connection, kind, name, version) is not None:
        version = str(next_number(connection, kind, name))
    return version


def add(connection: Connection, kind: str, name: str, version: str, **values: Any) -> None:
    """Insert the row of a new version."""
    time = now()
    connection.execute(
        insert(assets).values(
            kind=kind, name=name, version=version, created_at=time, modified_at=time, archived=False, **values
        )
    )


def change_body(connection: Connection, found: AssetRecord, body: dict[str, Any]) -> None:
    """Give a version another description, tags and properties."""
    if body != found.body:
        connection.execute(
            update(assets).where(assets.c.seq == found.seq).values(body=body, modified_at=now())
        )


def newest_of_each(kind: str, *, archived: bool | None) -> ColumnElement[bool]:
    """Return the condition for the newest version of every name; anonymous ones are left out."""
    newest = select(func.max(assets.c.seq)).where(assets.c.kind == kind, ~assets.c.anonymous)
    if archived is not None:
        newest = newest.where(assets.c.archived == archived)
    return assets.c.seq.in_(newest.group_by(assets.c.name))


def _not_found(connection: Connection, kind: str, name: str, version: str | None) -> ResourceNotFoundError:
    rows = select(assets.c.version).where(assets.c.kind == kind, assets.c.name == name)
    versions = connection.execute(rows.order_by(assets.c.seq.desc())).scalars().all()
    if versions and version is not None:
        return ResourceNotFoundError(kind=f"version of {kind} {name}", name=version, known=versions)
    if versions:
        return ResourceNotFoundError(
            f"All versions of {kind} {name!r} are archived.",
            kind=kind,
            hint=f"Known: {', '.join(versions[:8])}.",
        )
    named = select(assets.c.name).where(assets.c.kind == kind, ~assets.c.anonymous).distinct()
    return ResourceNotFoundError(kind=kind, name=name, known=connection.execute(named).scalars().all())
