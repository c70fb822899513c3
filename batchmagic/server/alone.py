"""A Jupyter server that answers for batchmagic and nothing else."""

from __future__ import annotations

from typing import Any

from jupyter_server.serverapp import ServerApp
from jupyter_server.services.contents.manager import ContentsManager
from traitlets import default

from batchmagic.server.handlers.operation import Unknown


class NoContents(ContentsManager):
    """Contents of which there are none: nothing here serves or lists files."""

    root_dir = ""

    def get_extra_handlers(self) -> list[Any]:
        """Return nothing: a stock manager answers at ``/files``."""
        return []


class BatchServer(ServerApp):
    """A Jupyter server without kernels, contents, terminals, files, pages and logins.

    A stock server with any credentials is a shell: it starts kernels.
    """

    name = "batchmagic"
    default_services = ()  # type: ignore[assignment]  # Jupyter's own has thirteen
    contents_manager_class = NoContents

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

    def init_webapp(self) -> None:
        """Make the web application and take away all addresses that every Jupyter server has."""
        super().init_webapp()
        self.web_app.wildcard_router.rules[:] = []
        self.web_app.wildcard_router.add_rules([(r".*", Unknown)])


def address(server: ServerApp) -> str:
    """Return scheme, host and port at which a server listens."""
    host = server.ip or "localhost"
    host = "localhost" if host in {"0.0.0.0", "::", "*"} else host  # noqa: S104
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if server.ssl_options or server.certfile else 'http'}://{shown}:{server.port}"
