"""What handlers work with: the workspace behind the sdk, off the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from batchmagic.errors import DiskError, TooManyRequests
from batchmagic.sdk.access import Access
from batchmagic.sdk.client import MLClient
from batchmagic.server.feed import Feed
from batchmagic.server.files import log_size
from batchmagic.server.lanes import LANE, Lane, lanes
from batchmagic.server.metrics import Metrics
from batchmagic.workspace.audit import AuditLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from batchmagic.server.identity import Caller
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.tokens import Token

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger("batchmagic.server")

# All that is not needed before somebody asks for something: JupyterLab starts this server whether anybody does or not.
_LATE = (
    "batchmagic.entities.kinds",
    "batchmagic.sdk.assets",
    "batchmagic.sdk.endpoints",
    "batchmagic.server.invoke_body",
    "batchmagic.server.watched",
    "batchmagic.workspace.workspace",
)

_DOWNLOADS = 100
_AGAIN = 2


class Service:
    """One server's workspace, and what its callers may do there.

    Parameters
    ----------
    workspace
        Its folder, which need not exist yet.
    roots, output_roots
        Folders that callers may name as inputs and in definitions, and as outputs.
    prefixes
        URLs that callers may name, and the folder that stands for each.
    allow_manage
        Whether callers may change definitions.
    has_kernels
        Whether people with Jupyter's own credentials can run what they like anyway.
    max_queued
        Jobs that may wait at once; above it an invoke is refused.
    heartbeat
        Seconds after which a stream of events without news says that it is still there.
    """

    def __init__(
        self,
        workspace: Path,
        *,
        roots: Sequence[Path] = (),
        output_roots: Sequence[Path] = (),
        prefixes: Mapping[str, Path] | None = None,
        allow_manage: bool = False,
        has_kernels: bool = False,
        max_queued: int = 1000,
        heartbeat: float = 15.0,
    ) -> None:
        self.client = MLClient(workspace)
        self.place = workspace
        self.roots, self.output_roots = tuple(roots), tuple(output_roots)
        self.prefixes = dict(prefixes or {})
        self.allow_manage = allow_manage
        self.has_kernels = has_kernels
        self.max_queued = max_queued
        self.heartbeat = heartbeat
        self._lanes = lanes()
        self._auditor = Lane("audit", 1)
        self.audit_log = AuditLog(workspace)
        self.metrics = Metrics(self.client.session)
        self.feed = Feed(self.client.session, size_of=log_size)
        self._is_warm = False
        self._downloads = 0
        self._open: set[object] = set()
        self._changed = asyncio.Event()

    async def call(self, function: Callable[P, R], *args: P.args, **values: P.kwargs) -> R:
        """Return what the function returns, which runs in a thread of the request's lane: it may wait for disks.

        Raises
        ------
        TooManyRequests
            If very much waits already.
        """
        return await self._lanes[LANE.get()].run(function, *args, **values)

    @contextlib.contextmanager
    def download(self) -> Iterator[None]:
        """Count this as one of the downloads that are under way.

        Raises
        ------
        TooManyRequests
            If there are many already.
        """
        if self._downloads >= _DOWNLOADS:
            raise TooManyRequests(f"{_DOWNLOADS} downloads are under way.", retry_after=_AGAIN)
        self._downloads += 1
        try:
            yield
        finally:
            self._downloads -= 1

    async def warm_up(self) -> None:
        """Load, in a thread, what the handlers' first uses of it would load on the event loop, for a second."""
        if not self._is_warm:
            await self._lanes["door"].run(_load)
            self._is_warm = True

    def workspace(self) -> Workspace:
        """Return the workspace.

        Raises
        ------
        ResourceNotFoundError
            If there is none yet.
        """
        return self.client.session.read()

    async def token(self, text: str) -> Token | None:
        """Return the valid token of this text, whose use is noted soon."""
        return await self._lanes["door"].run(self._token, text)

    def _token(self, text: str) -> Token | None:
        ws = self.client.session.peek()
        token = ws.tokens.find(text) if ws else None
        if ws and token:
            # Nobody waits for that: it takes the store's lock.
            self._lanes["write"].submit(ws.tokens.touch, token)
        return token

    def access(self, caller: Caller) -> Access:
        """Return what this caller may name: everything, who can run what he likes on this server anyway."""
        if caller.has_shell:
            return Access.free()
        return Access(
            roots=self.roots, output_roots=self.output_roots, prefixes=self.prefixes, endpoint=caller.endpoint
        )

    def write_audit(self, entry: Mapping[str, object]) -> None:
        """Write an entry of the audit log soon."""
        self._auditor.submit(self._audit, entry)

    def _audit(self, entry: Mapping[str, object]) -> None:
        if self.client.session.peek() is None:
            return  # there is nothing yet that could have been changed
        try:
            self.audit_log.write(entry)
        except DiskError as error:
            log.critical("the audit log cannot be written: %s; %s", error, dict(entry))

    def look(self) -> None:
        """Read the workspace, if there is one.

        Raises
        ------
        BatchMagicError
            If it cannot be used.
        """
        ws = self.client.session.peek()
        if ws is not None:
            ws.computes.list()

    def may_manage(self, caller: Caller) -> bool:
        """Return whether this caller may change definitions here."""
        return "manage" in caller.scopes and (self.allow_manage or caller.has_shell)

    def begin(self, request: object) -> None:
        """Note that a request is under way, until `end` is called with it."""
        self._open.add(request)
        self.metrics.under_way.set(len(self._open))

    def end(self, request: object) -> None:
        """Note that a request is answered, or its sender gone; again is as good as once."""
        self._open.discard(request)
        self.metrics.under_way.set(len(self._open))
        self._changed.set()

    async def drained(self, seconds: float) -> bool:
        """Tell streams to end, and return whether all requests under way came to their end in that time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.feed.stop()
                while self._open:
                    self._changed.clear()
                    await self._changed.wait()
        return not self._open

    def close(self) -> None:
        """Wait for what is under way and close the workspace."""
        for lane in self._lanes.values():
            lane.close()
        self._auditor.close(drop=False)
        self.client.session.close()


def _load() -> None:
    for name in _LATE:
        importlib.import_module(name)
