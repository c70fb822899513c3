"""What a server does by itself: it stays on record, and says that it is in use while jobs run."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from jupyter_server._tz import utcnow

from batchmagic.errors import BatchMagicError, WorkspaceMoved
from batchmagic.server.alone import BatchServer
from batchmagic.server.hosts import address
from batchmagic.server.logs import keep_short
from batchmagic.workspace.servers import ALONE, JUPYTER

if TYPE_CHECKING:
    from batchmagic.server.app import BatchMagicApp
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.servers import ServerRecord

_SECONDS = 3.0


class Presence:
    """One task on the event loop; what it reads it reads in a thread.

    Attributes
    ----------
    unfinished
        How many jobs of the workspace have not ended, as it was seen last.
    """

    def __init__(self, app: BatchMagicApp) -> None:
        self._app = app
        self._record: ServerRecord | None = None
        self._task: asyncio.Task[None] | None = None
        self._turn = threading.Lock()
        self._has_ended = False
        self.unfinished = 0

    async def start(self) -> None:
        """Go on record, and stay there."""
        self._task = asyncio.create_task(self._stay())

    async def stop(self) -> None:
        """Go off the record."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with self._turn:
            # A beat that is still under way in its thread must not bring the record back.
            self._has_ended = True
            if self._record is not None:
                self._app.service.workspace().servers.withdraw(self._record)

    async def _stay(self) -> None:
        while True:
            is_new = self._record is None
            try:
                await self._app.service.call(self._beat)
            except WorkspaceMoved as error:
                self._app.log.critical("%s", error)
                self._leave()
                return
            except BatchMagicError as error:
                self._app.log.warning("The workspace cannot be used: %s", error)
            if is_new and self._record is not None:
                self._app.ready(self._record)
            if self.unfinished:
                # What hubs and idle limits look at; see ServerWebApplication.last_activity.
                self._app.settings["last_activity_times"]["batchmagic"] = utcnow()
            await asyncio.sleep(_SECONDS)

    def _beat(self) -> None:
        ws = self._app.service.client.session.peek()
        if ws is None:
            return  # not made yet
        with self._turn:
            if self._has_ended:
                return
            if self._record is None:
                self._record = self._announce(ws)
            ws.servers.renew(self._record)
        if self._record.log:
            keep_short(Path(self._record.log))
        self.unfinished = sum(n for status, n in ws.jobs.count().items() if not status.is_terminal)

    def _announce(self, ws: Workspace) -> ServerRecord:
        server = self._app.serverapp
        assert server is not None  # noqa: S101 - it runs
        alone = isinstance(server, BatchServer)
        certificate = server.certificate if isinstance(server, BatchServer) else None
        facts: dict[str, str] = {}
        if certificate is not None:
            facts["fingerprint"] = certificate.fingerprint
            facts["expires_at"] = certificate.expires_at.isoformat(timespec="seconds")
            if certificate.authority is not None:
                facts["authority"] = str(certificate.authority)
        scheme = "https" if certificate or server.certfile else "http"
        return ws.servers.announce(
            kind=ALONE if alone else JUPYTER,
            url=f"{address(scheme, server.ip, server.port)}{server.base_url}",
            public_url=self._app.public_url or None,
            log=self._app.log_file or None,
            **facts,
        )

    def _leave(self) -> None:
        """End a server that is there for nothing else; JupyterLab goes on."""
        if isinstance(self._app.serverapp, BatchServer):
            self._app.serverapp.io_loop.add_callback(self._app.serverapp.leave)
