"""What a server does by itself: it stays on record, and says that it is in use while jobs run."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from jupyter_server._tz import utcnow

from batchmagic.errors import BatchMagicError, WorkspaceMoved
from batchmagic.server.alone import BatchServer, address
from batchmagic.workspace.servers import ALONE, JUPYTER

if TYPE_CHECKING:
    from batchmagic.server.app import BatchMagicApp
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.servers import ServerRecord

_SECONDS = 10.0


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
        if self._record is not None:
            self._app.service.workspace().servers.withdraw(self._record)

    async def _stay(self) -> None:
        while True:
            try:
                await self._app.service.call(self._beat)
            except WorkspaceMoved as error:
                self._app.log.critical("%s", error)
                self._leave()
                return
            except BatchMagicError as error:
                self._app.log.warning("The workspace cannot be used: %s", error)
            if self.unfinished:
                # What hubs and idle limits look at; see ServerWebApplication.last_activity.
                self._app.settings["last_activity_times"]["batchmagic"] = utcnow()
            await asyncio.sleep(_SECONDS)

    def _beat(self) -> None:
        ws = self._app.service.client.session.peek()
        if ws is None:
            return  # not made yet
        if self._record is None:
            self._record = self._announce(ws)
        ws.servers.renew(self._record)
        self.unfinished = sum(n for status, n in ws.jobs.count().items() if not status.is_terminal)

    def _announce(self, ws: Workspace) -> ServerRecord:
        server = self._app.serverapp
        assert server is not None  # noqa: S101 - it runs
        return ws.servers.announce(
            kind=ALONE if isinstance(server, BatchServer) else JUPYTER,
            url=f"{address(server)}{server.base_url}",
            public_url=self._app.public_url or None,
        )

    def _leave(self) -> None:
        """End a server that is there for nothing else; JupyterLab goes on."""
        if isinstance(self._app.serverapp, BatchServer):
            self._app.serverapp.stop()
