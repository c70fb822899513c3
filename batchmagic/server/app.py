"""The Jupyter server extension: what JupyterLab loads, and ``jupyter batchmagic`` starts alone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, Float, Int, List, Unicode

from batchmagic.server import routes
from batchmagic.server.alone import BatchServer
from batchmagic.server.lag import LagMonitor
from batchmagic.server.presence import Presence
from batchmagic.server.service import Service
from batchmagic.workspace import locate

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp


class BatchMagicApp(ExtensionApp):
    """The batch endpoints of one workspace over HTTP."""

    name = "batchmagic"
    extension_url = "/batchmagic/whoami"
    load_other_extensions = False
    serverapp_class = BatchServer
    open_browser = False
    workspace = Unicode(
        help="The workspace; empty: BATCHMAGIC_WORKSPACE, else the nearest .batchmagic at or above the server's folder."
    ).tag(config=True)
    roots = List(Unicode(), help="Folders that callers may name as inputs, and in definitions.").tag(
        config=True
    )
    output_roots = List(Unicode(), help="Folders that callers may name as outputs.").tag(config=True)
    url_prefixes = Dict(
        key_trait=Unicode(),
        value_trait=Unicode(),
        help="URLs that callers may name as inputs, and the folder (a mount) that stands for each.",
    ).tag(config=True)
    allow_manage = Bool(
        default_value=False,
        help="Let tokens with the scope manage change definitions. Whoever may define code may run anything.",
    ).tag(config=True)
    public_url = Unicode(help="The address of this server as callers see it, behind a proxy.").tag(
        config=True
    )
    max_queued = Int(1000, help="Jobs that may wait; above it an invoke gets 429.").tag(config=True)
    heartbeat = Float(
        15.0, help="Seconds after which a stream of events without news says that it is still there."
    ).tag(config=True)

    service: Service
    presence: Presence
    lag: LagMonitor

    def initialize_settings(self) -> None:
        """Find the workspace, and tell kernels and terminals of this server which it is."""
        assert self.serverapp is not None  # noqa: S101 - Jupyter links it first
        place = locate.locate(self.workspace or None, start=Path(self.serverapp.root_dir))
        os.environ[locate.VARIABLE] = str(place)
        self.service = Service(
            place,
            roots=[_folder(given) for given in self.roots],
            output_roots=[_folder(given) for given in self.output_roots],
            prefixes={prefix: _folder(given) for prefix, given in self.url_prefixes.items()},
            allow_manage=self.allow_manage,
            has_kernels=not isinstance(self.serverapp, BatchServer),
            max_queued=self.max_queued,
            heartbeat=self.heartbeat,
        )
        parts = urlsplit(self.public_url)
        self.settings.update(
            batchmagic_service=self.service,
            batchmagic_public_origin=f"{parts.scheme}://{parts.netloc}" if parts.netloc else None,
        )
        self.presence = Presence(self)
        self.lag = LagMonitor(self.service.metrics.registry)

    def initialize_handlers(self) -> None:
        """Answer at the addresses of the table."""
        self.handlers.extend(routes.handlers())

    async def _start_jupyter_server_extension(self, serverapp: ServerApp) -> None:
        del serverapp
        self.lag.start()
        await self.presence.start()

    def current_activity(self) -> dict[str, int] | None:
        """Return how many jobs have not ended, so that a server that people have left is not culled under them."""
        return {"jobs": self.presence.unfinished} if self.presence.unfinished else None

    async def stop_extension(self) -> None:
        """Take the server off the record and close the workspace."""
        await self.service.feed.stop()
        await self.lag.stop()
        await self.presence.stop()
        self.service.close()


def _folder(given: str) -> Path:
    return Path(given).expanduser().absolute()


def main() -> None:
    """Run the server until it is told to stop."""
    BatchMagicApp.launch_instance()  # type: ignore[no-untyped-call]
