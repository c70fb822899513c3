"""Which servers answer for a workspace: one private file per process, so that a crash leaves nothing that misleads.

Whether a server of this machine lives, the system says. One elsewhere renews the time of its file; nobody but itself
removes that file.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

import batchmagic
from batchmagic.errors import WorkspaceMoved
from batchmagic.workspace import identity as identities
from batchmagic.workspace.folders import private_folder, write_private
from batchmagic.workspace.identity import ProcessIdentity
from batchmagic.workspace.store_file import place_of

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal["alone", "jupyter"]
ALONE: Kind = "alone"
JUPYTER: Kind = "jupyter"
BASE = "batchmagic"
"""What the path of every address of ours begins with."""
RENEW_SECONDS = 15.0
_SILENT_SECONDS = 60.0
"""By the wall clock: a file system that two machines share has one, and an address that is missing harms nobody."""
_END = ".json"


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerRecord:
    """One server, as it stands in the workspace.

    Attributes
    ----------
    kind
        ``alone``: a process that does nothing else; ``jupyter``: part of a Jupyter server.
    url
        The address at which it listens, below which its routes begin with ``/batchmagic/``.
    public_url
        The same as callers see it, where a proxy is in between.
    fingerprint
        SHA-256 of its certificate; None for plain HTTP, or where Jupyter sees to that.
    expires_at
        When that certificate expires, as text.
    authority
        The file with the certificate that callers must trust; None where it is known to everybody, or there is none.
    log
        The file that it writes its log to; None where a terminal shows it.
    place
        Which folder it serves, so that a copy of a workspace does not take it for its own.
    """

    identity: ProcessIdentity
    kind: Kind
    url: str
    public_url: str | None = None
    fingerprint: str | None = None
    expires_at: str | None = None
    authority: str | None = None
    log: str | None = None
    version: str = batchmagic.__version__
    started_at: str = ""
    place: str | None = None

    @property
    def address(self) -> str:
        """The address that callers use, without a slash at its end."""
        return (self.public_url or self.url).rstrip("/")

    @property
    def is_here(self) -> bool:
        """Whether its process can be seen, and signalled, from here."""
        return identities.alive(self.identity) is not None

    @property
    def machine(self) -> str:
        """The name of the machine that it runs on."""
        return self.identity.host.partition("/")[0]

    def scoring_uri(self, endpoint: str) -> str:
        """Return where the endpoint is invoked."""
        return f"{self.address}/{BASE}/endpoints/{endpoint}/jobs"

    @property
    def openapi_uri(self) -> str:
        """Where its OpenAPI description is."""
        return f"{self.address}/{BASE}/openapi.json"


class ServerStore:
    """The servers of the workspace at `root`."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = root / "servers"

    def announce(
        self,
        *,
        kind: Kind,
        url: str,
        public_url: str | None = None,
        fingerprint: str | None = None,
        expires_at: str | None = None,
        authority: str | None = None,
        log: str | None = None,
    ) -> ServerRecord:
        """Put this process on record as a server, and return the record; call it once the server answers.

        Raises
        ------
        WorkspaceMoved
            If the workspace is not where it was.
        """
        record = ServerRecord(
            identity=identities.current(),
            kind=kind,
            url=url.rstrip("/"),
            public_url=public_url.rstrip("/") if public_url else None,
            fingerprint=fingerprint,
            expires_at=expires_at,
            authority=authority,
            log=log,
            started_at=datetime.now(UTC).isoformat(timespec="seconds"),
            place=self._place(),
        )
        self._write(record)
        return record

    def renew(self, record: ServerRecord) -> None:
        """Show processes elsewhere that the server lives; to be called every `RENEW_SECONDS`.

        Raises
        ------
        WorkspaceMoved
            If the workspace is not where it was, or another one is there.
        """
        if record.place != self._place():
            raise WorkspaceMoved(path=str(self._root))
        try:
            os.utime(self._file(record))
        except FileNotFoundError:
            self._write(record)  # somebody has tidied up

    def withdraw(self, record: ServerRecord) -> None:
        """Take a server off the record."""
        self._file(record).unlink(missing_ok=True)

    def running(self) -> list[ServerRecord]:
        """Return the servers that run, the one that callers should use first; records of dead ones are removed."""
        found = []
        for record in self.known():
            alive = identities.alive(record.identity)
            if alive is False:
                self.withdraw(record)
            elif self._is_ours(record) and (alive or self._is_fresh(record)):
                found.append(record)
        found.sort(key=lambda one: one.started_at, reverse=True)
        found.sort(key=lambda one: (one.kind != ALONE, one.public_url is None, not one.is_here))
        return found

    def best(self) -> ServerRecord | None:
        """Return the server whose address callers should use; None if none runs."""
        return next(iter(self.running()), None)

    def known(self) -> list[ServerRecord]:
        """Return every record that there is, of dead servers too; nothing is changed."""
        found = (_read(file) for file in sorted(self.folder.glob(f"*{_END}")))
        return [record for record in found if record is not None]

    def _write(self, record: ServerRecord) -> None:
        private_folder(self.folder)
        write_private(self._file(record), json.dumps(asdict(record), indent=1).encode())

    def _file(self, record: ServerRecord) -> Path:
        who = record.identity
        mark = hashlib.sha256(f"{who.host} {who.boot_id} {who.start_time}".encode()).hexdigest()[:8]
        return self.folder / f"{record.kind}-{who.pid}-{mark}{_END}"

    def _is_fresh(self, record: ServerRecord) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return time.time() - self._file(record).stat().st_mtime < _SILENT_SECONDS
        return False

    def _is_ours(self, record: ServerRecord) -> bool:
        # Numbers of disks mean nothing on another machine.
        return not record.is_here or record.place in {None, self._place()}

    def _place(self) -> str | None:
        found = place_of(self._root)
        return None if found is None else "{}:{}".format(*found)


def _read(file: Path) -> ServerRecord | None:
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return ServerRecord(**{**found, "identity": ProcessIdentity(**found["identity"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None  # removed just now, or of another release
