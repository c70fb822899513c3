"""The MLflow stores that a reference is looked up in, in their order, and how to reach one.

MLflow is imported on first use only, and none of its settings is changed.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
import sqlite3
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit, urlunsplit

from batchmagic.workspace.folders import private_folder
from batchmagic.workspace.redaction import redact_uris

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_SECONDS = 2.0
OWN = Path("mlflow") / "mlflow.db"
_REMOTE = frozenset({"http", "https"})


@dataclass(frozen=True, kw_only=True, slots=True)
class MlflowStore:
    """A tracking store with its model registry. `own` is the folder of the workspace's own one."""

    tracking_uri: str
    registry_uri: str
    own: Path | None = None

    @property
    def is_remote(self) -> bool:
        """Whether it is a server rather than files of this machine."""
        return self.file is None and _scheme(self.tracking_uri) not in {"", "file"}

    @property
    def file(self) -> Path | None:
        """The SQLite file; None if it is no SQLite store."""
        if _scheme(self.tracking_uri) != "sqlite":
            return None
        return Path(unquote(self.tracking_uri.removeprefix("sqlite:///").partition("?")[0])).absolute()

    @property
    def is_there(self) -> bool:
        """Whether there is anything to look up: asking MLflow would make an empty store."""
        return self.file is None or self.file.exists()

    def __str__(self) -> str:
        return redact_uris(self.tracking_uri)


def known_stores(root: Path) -> list[MlflowStore]:
    """Return the stores in the order in which they are asked: the kernel's, the environment's, here, our own."""
    found = [*_live(), *_named(), *_here(), own_store(root)]
    first: dict[str, MlflowStore] = {}
    for store in found:
        first.setdefault(store.tracking_uri, store)
    return list(first.values())


def own_store(root: Path) -> MlflowStore:
    """Return the workspace's own store, which need not exist yet."""
    file = root / OWN
    uri = f"sqlite:///{file}"
    return MlflowStore(tracking_uri=uri, registry_uri=uri, own=file.parent)


def client_of(store: MlflowStore) -> Any:
    """Return MLflow's client of the store, which exists then.

    Raises
    ------
    TimeoutError
        If a server does not answer within `ANSWER_SECONDS`.
    """
    if _scheme(store.tracking_uri) in _REMOTE:
        _ask(store.tracking_uri)
    from mlflow import MlflowClient  # noqa: PLC0415 - slow

    file = store.file
    if file is not None and not file.exists():
        _make(file, artifacts=file.parent / "artifacts" if store.own else Path.cwd() / "mlruns")
    return MlflowClient(tracking_uri=store.tracking_uri, registry_uri=store.registry_uri)


def local_path(uri: str) -> Path | None:
    """Return the path that a ``file:`` URI or plain path means; None for anything else."""
    if _scheme(uri) == "file":
        return Path(unquote(urlsplit(uri).path))
    return Path(uri) if _scheme(uri) == "" else None


def _live() -> Iterator[MlflowStore]:
    mlflow = sys.modules.get("mlflow")
    tracking = sys.modules.get("mlflow.tracking")
    if mlflow is not None and tracking is not None and tracking.is_tracking_uri_set():
        yield MlflowStore(tracking_uri=mlflow.get_tracking_uri(), registry_uri=mlflow.get_registry_uri())


def _named() -> Iterator[MlflowStore]:
    uri = os.environ.get("MLFLOW_TRACKING_URI")
    if uri:
        yield MlflowStore(tracking_uri=uri, registry_uri=os.environ.get("MLFLOW_REGISTRY_URI") or uri)


def _here() -> Iterator[MlflowStore]:
    database, folder = Path.cwd() / "mlflow.db", Path.cwd() / "mlruns"
    for uri, there in (
        (f"sqlite:///{database}", database.is_file()),
        (folder.as_uri(), _holds_experiments(folder)),
    ):
        if there:
            yield MlflowStore(tracking_uri=uri, registry_uri=uri)
            return


def _holds_experiments(folder: Path) -> bool:
    # The artifacts of a database store lie in ./mlruns too; only a file store has these.
    return any(folder.glob("*/meta.yaml"))


def _scheme(uri: str) -> str:
    if uri.startswith("databricks"):
        return "databricks"
    return urlsplit(uri).scheme.partition("+")[0]


def _ask(address: str) -> None:
    """Pass when a server is there, whatever it answers: MLflow itself would try for minutes."""
    parts = urlsplit(address.rstrip("/"))
    # Without user and password, which urllib takes for a part of the host's name; a refusal is an answer too.
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], f"{parts.path}/health", "", ""))
    request = urllib.request.Request(bare)  # noqa: S310 - http or https
    try:
        urllib.request.urlopen(request, timeout=ANSWER_SECONDS).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        error.close()
    except OSError as error:
        reason = getattr(error, "reason", error)
        raise TimeoutError(f"no answer within {ANSWER_SECONDS:.0f} s ({reason})") from error


def _make(file: Path, *, artifacts: Path) -> None:
    """Make an empty store at `file` from a template: building one takes MLflow seconds, once per version."""
    private_folder(file.parent) if not file.parent.exists() else None
    new = file.with_name(f".{file.name}.{secrets.token_hex(4)}.new")
    try:
        try:
            shutil.copyfile(_template(), new)
        except OSError:
            _build(new)  # no home to keep a template in
        new.chmod(0o600)
        with contextlib.closing(sqlite3.connect(new)) as connection, connection:
            place = "UPDATE experiments SET artifact_location = ? || '/' || experiment_id"
            connection.execute(place, (artifacts.as_uri(),))
        with contextlib.suppress(FileExistsError):
            os.link(new, file)
    finally:
        new.unlink(missing_ok=True)


def _template() -> Path:
    from mlflow.version import VERSION  # noqa: PLC0415 - slow

    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "batchmagic"
    template = cache / f"mlflow-{VERSION}.db"
    if not template.exists():
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = cache / f".{template.name}.{secrets.token_hex(4)}.new"
        try:
            _build(new)
            with contextlib.suppress(FileExistsError):
                os.link(new, template)
        finally:
            new.unlink(missing_ok=True)
    return template


def _build(file: Path) -> None:
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415 - slow

    log = logging.getLogger("mlflow.store.db.utils")  # which tells of every step
    log.addFilter(_is_warning)
    try:
        SqlAlchemyStore(f"sqlite:///{file}", file.parent.as_uri()).engine.dispose()
    finally:
        log.removeFilter(_is_warning)


def _is_warning(entry: logging.LogRecord) -> bool:
    return entry.levelno >= logging.WARNING
