"""A workspace: one private folder with its database, and a store for each kind of thing in it."""

from __future__ import annotations

import secrets
import stat
from typing import TYPE_CHECKING

from batchmagic.names import check_name, safe_join
from batchmagic.workspace import locate, probe
from batchmagic.workspace.assets import AssetStore
from batchmagic.workspace.claims import ClaimStore
from batchmagic.workspace.computes import ComputeStore
from batchmagic.workspace.database import MARKER, open_database
from batchmagic.workspace.deployments import DeploymentStore
from batchmagic.workspace.endpoints import EndpointStore
from batchmagic.workspace.folders import private_folder, remove_tree, write_private
from batchmagic.workspace.garbage import collect
from batchmagic.workspace.jobs import JobStore
from batchmagic.workspace.migrations import MIGRATIONS
from batchmagic.workspace.secret_store import SecretStore
from batchmagic.workspace.servers import ServerStore
from batchmagic.workspace.tables import metadata
from batchmagic.workspace.tokens import TokenStore
from batchmagic.workspace.vocabulary import CHILD_SUFFIX

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from batchmagic.workspace.database import Database


class Workspace:
    """An open workspace. Make one with `find` or `open`; it may be used from any thread.

    Attributes
    ----------
    root
        The folder. Paths that are kept are relative to it, so that it can be moved.
    created
        Whether this call made it.
    warnings
        What its owner should know, such as a disk on which only the slower way works.
    database
        ``workspace.db``.
    endpoints, deployments, computes, assets, jobs, claims, secrets, tokens, servers
        What it holds.
    """

    def __init__(
        self, root: Path, database: Database, *, created: bool = False, warnings: tuple[str, ...] = ()
    ) -> None:
        self.root = root
        self.database = database
        self.created = created
        self.warnings = warnings
        self.secrets = SecretStore(root / "secrets")
        self.servers = ServerStore(root)
        self.endpoints = EndpointStore(database, self.servers, forget=self._forget)
        self.deployments = DeploymentStore(database, self.secrets, forget=self._forget)
        self.computes = ComputeStore(database)
        self.assets = AssetStore(database, root, self.secrets)
        self.jobs = JobStore(database, root, self.secrets)
        self.claims = ClaimStore(database)
        self.tokens = TokenStore(database)

    @classmethod
    def find(
        cls, path: str | os.PathLike[str] | None = None, *, start: Path | None = None, create: bool
    ) -> Self:
        """Return the workspace that `path`, the environment or the nearest folder above names.

        Parameters
        ----------
        path
            What the caller or its configuration names.
        start
            Where the search begins; the working directory unless given.
        create
            Make one where it should be, if there is none; `created` is true then.

        Raises
        ------
        ResourceNotFoundError
            If there is none and `create` is false.
        WorkspaceNotPrivate
            If it belongs to another user or others can write in it.
        StoreCorrupted
            If its database is damaged; nothing is changed then.
        """
        root = locate.locate(path, start=start)
        if locate.exists(root):
            return cls.open(root)
        if not create:
            raise locate.missing(root)
        return cls._make(root)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Return the workspace at `path`, which must exist.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        root = locate.locate(path)
        if not locate.exists(root):
            raise locate.missing(root)
        locate.check_private(root)
        if stat.S_IMODE(root.stat().st_mode) & 0o077:
            root.chmod(0o700)  # as after unpacking a backup
        return cls(root, _database(root, create=False))

    @classmethod
    def _make(cls, root: Path) -> Self:
        root.parent.mkdir(parents=True, exist_ok=True)
        staging = root.with_name(f".{root.name}.{secrets.token_hex(4)}.new")
        try:
            mode = _furnish(staging)
            # One rename: nobody ever sees a part of it, and of two that make it at once one does.
            staging.rename(root)
        except OSError:
            if not root.is_dir():
                raise
            if locate.exists(root):
                return cls.open(root)
            locate.check_private(root)
            mode = _furnish(root)
        finally:
            remove_tree(staging)
        warnings = () if mode == "wal" else (_slow(root),)
        return cls(root, _database(root, create=False), created=True, warnings=warnings)

    def job_dir(self, name: str) -> Path:
        """Return the folder of the job `name`, which may be that of its child."""
        return safe_join(self.root, "jobs", check_name("job", name).removesuffix(CHILD_SUFFIX))

    def compute_dir(self, name: str) -> Path:
        """Return the folder of the compute `name`, which then exists and is private."""
        private_folder(self.root / "compute")
        return private_folder(safe_join(self.root, "compute", check_name("compute", name)))

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self.secrets.delete(key)
        collect(self.database, self.root)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Workspace({str(self.root)!r})"


def _furnish(root: Path) -> str:
    """Put what every workspace has into the folder, and return the journal mode that works there."""
    private_folder(root)
    write_private(root / ".gitignore", b"*\n")
    mode = probe.journal_mode(root)
    write_private(root / MARKER, f"{mode}\n".encode())
    _database(root, create=True).close()
    return mode


def _database(root: Path, *, create: bool) -> Database:
    return open_database(root / locate.DATABASE, metadata=metadata, migrations=MIGRATIONS, create=create)


def _slow(root: Path) -> str:
    return (
        f"SQLite's write-ahead log does not work in {root} (a network file system?). "
        "batchmagic uses the rollback journal there, which is slower; a local disk is better."
    )
