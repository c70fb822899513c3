"""The one place for a server of its own that a workspace has."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from batchmagic.errors import StateError
from batchmagic.workspace.folders import private_folder
from batchmagic.workspace.servers import ALONE

if TYPE_CHECKING:
    from batchmagic.workspace import Workspace

_FILE = "alone.lock"


class Seat:
    """The place, taken by this process until it ends, however it ends.

    Raises
    ------
    StateError
        If another server has it.
    """

    def __init__(self, ws: Workspace) -> None:
        private_folder(ws.servers.folder)
        self._descriptor = os.open(ws.servers.folder / _FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise _taken(ws) from None
        except OSError:
            pass  # a file system without locks: two servers at once do each other no harm

    def leave(self) -> None:
        """Give the place to the next server."""
        os.close(self._descriptor)


def _taken(ws: Workspace) -> StateError:
    running = [record for record in ws.servers.running() if record.kind == ALONE]
    who = f"at {running[0].url}, process {running[0].identity.pid}" if running else "or is about to start"
    return StateError(
        f"A server of this workspace runs already, {who}.",
        target="server",
        hint="`batchmagic serve --status` tells more, `batchmagic serve --stop` ends it.",
    )
