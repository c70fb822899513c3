"""The Jupyter server extension: what JupyterLab loads, and ``jupyter batchmagic`` starts alone."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, Dict, Enum, Float, Int, List, Unicode, default

from batchmagic.errors import BatchMagicError
from batchmagic.sdk.serving import READY, greeting
from batchmagic.server import logs, routes
from batchmagic.server.alone import BatchServer
from batchmagic.server.hosts import is_loopback
from batchmagic.server.lag import LagMonitor
from batchmagic.server.presence import Presence
from batchmagic.server.service import Service
from batchmagic.workspace import locate

if TYPE_CHECKING:
    from jupyter_server.serverapp import ServerApp

    from batchmagic.workspace.servers import ServerRecord


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
    http = Bool(default_value=False, help="Speak plain HTTP; alone that works on the loopback only.").tag(
        config=True
    )
    log_style = Enum(("text", "json"), default_value="text", help="The form of log lines, alone.").tag(
        config=True
    )
    log_file = Unicode(help="The file that standard error goes to, to be kept short.").tag(config=True)
    ready_fd = Int(-1, help="An open file that is told when the server answers.").tag(config=True)
    max_queued = Int(1000, help="Jobs that may wait; above it an invoke gets 429.").tag(config=True)
    heartbeat = Float(
        15.0, help="Seconds after which a stream of events without news says that it is still there."
    ).tag(config=True)

    aliases = {  # noqa: RUF012 - traitlets'
        **ExtensionApp.aliases,
        "host": "ServerApp.ip",
        "workspace": "BatchMagicApp.workspace",
        "root": "BatchMagicApp.roots",
        "output-root": "BatchMagicApp.output_roots",
        "url-prefix": "BatchMagicApp.url_prefixes",
        "public-url": "BatchMagicApp.public_url",
        "log-format": "BatchMagicApp.log_style",
        "log-file": "BatchMagicApp.log_file",
        "ready-fd": "BatchMagicApp.ready_fd",
    }
    flags = {  # noqa: RUF012 - traitlets'
        **ExtensionApp.flags,
        "http": ({"BatchMagicApp": {"http": True}}, "Speak plain HTTP, on the loopback only."),
        "allow-manage": (
            {"BatchMagicApp": {"allow_manage": True}},
            "Let tokens with the scope manage change definitions.",
        ),
    }

    @default("public_url")
    def _address_in_a_hub(self) -> str:
        # What JupyterHub tells the servers and services that it starts, once it knows its own address.
        return os.environ.get("JUPYTERHUB_PUBLIC_URL", "")

    service: Service
    presence: Presence
    lag: LagMonitor

    @classmethod
    def make_serverapp(cls, **kwargs: Any) -> ServerApp:
        """Return the server to start alone, which takes our flags; Jupyter hands aliases on and forgets these."""
        server = super().make_serverapp(**kwargs)
        server.flags.update(cls.flags)
        return server

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
        if isinstance(self.serverapp, BatchServer):
            self._settle(self.serverapp, parts.hostname)

    def _settle(self, server: BatchServer, public_host: str | None) -> None:
        """Have a workspace, which a server that does nothing else cannot be without, and know the proxy before it."""
        self.service.client.session.write()
        logs.hand_on(self.log)
        if public_host is None:
            return
        # A proxy hands on the name that callers use, and whom it serves.
        self.settings["local_hostnames"] = [*server.local_hostnames, public_host]
        server.trust_xheaders = server.trust_xheaders or is_loopback(server.ip)

    def ready(self, record: ServerRecord) -> None:
        """Say that the server answers."""
        if not isinstance(self.serverapp, BatchServer):
            return
        if change := self.serverapp.certificate and self.serverapp.certificate.change:
            self.serverapp.log.info(change)
        lines = greeting(record, workspace=self.service.place, command="batchmagic")
        self.serverapp.log.info("\n".join(lines))
        if self.ready_fd >= 0:
            os.write(self.ready_fd, READY)
            os.close(self.ready_fd)

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


def main() -> int:
    """Run the server until it is told to stop, and return the exit code."""
    try:
        BatchMagicApp.launch_instance()  # type: ignore[no-untyped-call]
    except BatchMagicError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr, flush=True)  # noqa: T201
        return 2
    return 0
