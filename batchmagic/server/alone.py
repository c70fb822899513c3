"""A Jupyter server that answers for batchmagic and nothing else."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_core.application import JupyterApp
from jupyter_server.auth.identity import PasswordIdentityProvider
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.manager import ContentsManager
from traitlets import default

from batchmagic.server import logs
from batchmagic.server.handlers.operation import Unknown

if TYPE_CHECKING:
    import socket

    from batchmagic.server.app import BatchMagicApp
    from batchmagic.server.certificate import ServerCertificate

PORT = 8443
DRAIN_SECONDS = 10.0
"""How long requests that are under way may take when the server is told to leave."""
_LATEST_SECONDS = 15.0
_AGAIN_SECONDS = 1.0


class NoContents(ContentsManager):
    """Contents of which there are none: nothing here serves or lists files."""

    root_dir = ""

    def get_extra_handlers(self) -> list[Any]:
        """Return nothing: a stock manager answers at ``/files``."""
        return []


class OwnIdentities(PasswordIdentityProvider):
    """Jupyter's token and password where somebody has set one; none is made up, as named tokens do the work."""

    @default("need_token")
    def _made_up_token(self) -> bool:
        return False

    @property
    def auth_enabled(self) -> bool:
        """Always: without a token and a password nobody comes in that way."""
        return True


class BatchServer(ServerApp):
    """A Jupyter server without kernels, contents, terminals, files, pages and logins.

    A stock server with any credentials is a shell: it starts kernels.

    Attributes
    ----------
    certificate
        What it shows; None for plain HTTP.
    """

    name = "batchmagic"
    default_services = ()  # type: ignore[assignment]  # Jupyter's own has thirteen
    contents_manager_class = NoContents
    identity_provider_class = OwnIdentities
    certificate: ServerCertificate | None = None
    _sockets: list[socket.socket]
    _asked_at: float | None = None
    _leaving: asyncio.Task[None] | None = None

    @default("allow_unauthenticated_access")
    def _refuse_strangers(self) -> bool:
        return False

    @default("terminals_enabled")
    def _no_terminals(self) -> bool:
        return False

    @default("allow_root")
    def _any_user(self) -> bool:
        # It runs no code of anybody: jobs have processes of their own.
        return True

    @default("port")
    def _own_port(self) -> int:
        return PORT

    @default("port_retries")
    def _this_port(self) -> int:
        return 0  # callers have been told where it is

    @default("reraise_server_extension_failures")
    def _not_without_us(self) -> bool:
        return True

    @property
    def batch_app(self) -> BatchMagicApp:
        """What it is there for."""
        found: BatchMagicApp = self._starter_app  # type: ignore[assignment]
        return found

    # --- the start

    def init_logging(self) -> None:
        """Write to standard error only, in the form that was asked for, before anything else is said."""
        super().init_logging()
        form = str(self.config.BatchMagicApp.get("log_style", "text"))
        logs.set_up(self.log, form, level=cast("int", self.log_level))

    def init_webapp(self) -> None:
        """Make the web application and take away all addresses that every Jupyter server has."""
        super().init_webapp()
        self.web_app.wildcard_router.rules[:] = []
        self.web_app.wildcard_router.add_rules([(r".*", Unknown)])

    def init_httpserver(self) -> None:
        """Take the port, with TLS unless plain HTTP was asked for.

        Raises
        ------
        ValidationException
            If plain HTTP could be heard by others, or a given certificate, host or port cannot be used.
        StateError
            If the port is taken.
        """
        from batchmagic.server.listening import (  # noqa: PLC0415 - brings cryptography
            certificate_for,
            check_plain,
            tls_context,
        )

        app = self.batch_app
        if app.http:
            check_plain(self.ip)
        else:
            self.certificate = certificate_for(
                app.service.workspace(),
                self.ip,
                certfile=Path(self.certfile) if self.certfile else None,
                keyfile=Path(self.keyfile) if self.keyfile else None,
                public_url=app.public_url or None,
            )
        super().init_httpserver()
        if self.certificate is not None:
            self.http_server.ssl_options = tls_context(self.certificate, client_authority=self.client_ca)

    def _find_http_port(self) -> None:
        from batchmagic.server.listening import open_sockets  # noqa: PLC0415 - brings cryptography

        # Kept open: between looking for a port and taking it somebody else could have it.
        self._sockets = open_sockets(self.batch_app.service.workspace(), self.ip, self.port)
        self.port = self._sockets[0].getsockname()[1]

    def _bind_http_server_tcp(self) -> bool:
        self.http_server.add_sockets(self._sockets)
        return True

    def start_app(self) -> None:
        """Begin; what there is to say is said once callers are answered. No file tells others of this server."""
        JupyterApp.start(self)

    # --- the end

    def init_signal(self) -> None:
        """Leave in good order when told to, and at once when told again."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Under nohup the end of the terminal is none of ours.
            if signal.getsignal(number) is not signal.SIG_IGN or number is signal.SIGTERM:
                signal.signal(number, self._asked_to_leave)

    def _asked_to_leave(self, number: int, _frame: object) -> None:
        if self._asked_at is None:
            self._asked_at = time.monotonic()
            self.io_loop.add_callback_from_signal(self.leave)
        elif time.monotonic() - self._asked_at > _AGAIN_SECONDS:
            os._exit(128 + number)  # nothing is lost: what was answered is on disk

    def leave(self) -> None:
        """Take no more connections, let requests under way finish, and end; to be called on the event loop."""
        if self._leaving is None:
            self._leaving = asyncio.ensure_future(self._leave())

    async def _leave(self) -> None:
        self.log.info("leaves")
        last = threading.Timer(_LATEST_SECONDS, os._exit, [0])  # whatever still hangs on a disk
        last.daemon = True
        last.start()
        self.http_server.stop()
        await self.batch_app.presence.stop()
        await self.batch_app.service.drained(DRAIN_SECONDS)
        self.stop()
