"""What every handler shares: who asks and what for, strict bodies, one shape of errors, safe headers."""

from __future__ import annotations

import json
import re
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, cast

from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import allow_unauthenticated
from jupyter_server.auth.utils import HTTP_METHOD_TO_AUTH_ACTION
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

from batchmagic.errors import (
    BatchMagicError,
    BodyTooLarge,
    NotAllowed,
    NotAuthenticated,
    TooManyRequests,
    WrongMediaType,
)
from batchmagic.names import check_name
from batchmagic.server.actions import action_of
from batchmagic.server.arm import error_json
from batchmagic.server.identity import Caller
from batchmagic.server.json_body import MAX_BYTES, read_json
from batchmagic.server.known_user import TokenUser
from batchmagic.server.lanes import LANE, Kind
from batchmagic.server.request_log import log_request
from batchmagic.workspace.vocabulary import TOKEN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from tornado.http1connection import HTTP1Connection

    from batchmagic.server.actions import Action
    from batchmagic.server.service import Service

_BEARER = re.compile(r"(?:bearer|token)\s+(\S+)\s*", re.IGNORECASE)
_REQUEST_ID = re.compile(r"[-_.a-zA-Z0-9]{1,64}")
_NAMED = frozenset({"endpoint", "deployment", "compute", "model", "data", "environment", "job", "token"})
_DRAINED = 256 << 20
_BODY_SECONDS = 30
_WRITES = frozenset({"POST", "PUT", "PATCH"})


@web.stream_request_body
class BatchHandler(JupyterHandler):
    """A handler whose methods are actions; see `batchmagic.server.actions`.

    Attributes
    ----------
    caller
        Who asks, once `prepare` has passed.
    route, kind
        What the table of routes says: the address with names in braces, and the kind that it is about.
    request_id
        Of this request; it stands in the answer, in the log and in the audit log.
    """

    auth_resource = "batchmagic"
    caller: Caller
    request_id: str = ""
    _chunks: list[bytes]
    _facts: dict[str, Any]
    _received = 0
    route: str = ""
    kind: str = ""
    _is_let_in = False
    # Parts of the path that are no names, and are checked where they are used.
    unchecked: ClassVar[frozenset[str]] = frozenset()
    # Where GET and HEAD wait.
    lane: ClassVar[Kind] = "read"

    @property
    def service(self) -> Service:
        """What this handler works with."""
        found: Service = self.settings["batchmagic_service"]
        return found

    @property
    def action(self) -> Action | None:
        """What the request asks for; None if this path knows no such verb."""
        method = "GET" if self.request.method == "HEAD" else self.request.method or ""
        return action_of(type(self), method)

    def initialize(self, route: str = "", kind: str = "") -> None:
        """Take what the table of routes says."""
        self.route, self.kind = route, kind

    # --- before the method

    async def prepare(self) -> None:  # type: ignore[override]  # Jupyter's argument means pages only
        """Find out who asks and let pass who may."""
        self._chunks, self._facts = [], {}
        self.service.begin(self)
        LANE.set(self.lane if self.request.method in {"GET", "HEAD"} else "write")
        given = self.request.headers.get("X-Request-Id", "")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        self.set_header("X-Request-Id", self.request_id)
        connection = cast("HTTP1Connection", self.request.connection)
        connection.set_max_body_size(_DRAINED)
        connection.set_body_timeout(_BODY_SECONDS)
        try:
            await self._let_in()
        except BatchMagicError as error:
            self.fail(error)
        else:
            self._is_let_in = True
            self.clear_header("Connection")

    async def _let_in(self) -> None:
        action = self.action
        if action is not None and action.scope is None:
            return
        if not self.check_host():
            raise NotAllowed("The Host header names another machine.", target="Host")
        self._check_origin()
        await self.service.warm_up()
        self.caller = await self._identify()
        await self._ask_authorizer()
        if action is None:
            raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        self._check_caller(action)
        for kind, name in self.path_kwargs.items():
            if kind in _NAMED - self.unchecked and name is not None:
                check_name(kind, name)
        if action.body:
            self._check_media()

    async def _identify(self) -> Caller:
        text = self.bearer()
        if text is not None and text.startswith(TOKEN_PREFIX):
            token = await self.service.token(text)
            if token is None:
                raise NotAuthenticated
            caller = Caller.of_token(token)
            self.current_user = self._jupyter_current_user = TokenUser(username=caller.name)
            self._token_authenticated = True
            return caller
        try:
            await super().prepare(_redirect_to_login=False)
        except web.HTTPError as error:
            if self.current_user is None:
                raise NotAuthenticated from error
            raise NotAllowed(error.log_message or "The request is refused.", target="XSRF") from error
        # Where Jupyter asks nobody who he is, its kernels are open to all; alone that is no way in.
        if not self.current_user or not (self.identity_provider.auth_enabled or self.service.has_kernels):
            raise NotAuthenticated
        return Caller.of_user(self.current_user.username, has_shell=self.service.has_kernels)

    def bearer(self) -> str | None:
        """Return the token that the request shows in its header."""
        found = _BEARER.fullmatch(self.request.headers.get("Authorization", ""))
        return found[1] if found else None

    def _check_origin(self) -> None:
        """Refuse pages of other sites, which Jupyter lets through with a token."""
        origin = self.get_origin()
        if origin is None or origin.lower() in {
            f"{scheme}://{self.request.host}".lower() for scheme in ("http", "https")
        }:
            return
        allowed = (self.allow_origin, self.settings.get("batchmagic_public_origin"))
        pattern = self.allow_origin_pat
        if origin in allowed or "*" in allowed or (pattern and re.match(pattern, origin)):
            return
        raise NotAllowed("Pages of another origin may not send requests here.", target="Origin")

    async def _ask_authorizer(self) -> None:
        wanted = HTTP_METHOD_TO_AUTH_ACTION.get(self.request.method or "", "write")
        asked = self.authorizer.is_authorized(self, self.current_user, wanted, self.auth_resource)
        if not await ensure_async(asked):
            raise NotAllowed(f"The server's authorizer does not allow {wanted}.", target="authorizer")

    def _check_caller(self, action: Action) -> None:
        if action.scope is None:
            return
        self.caller.check_scope(action.scope, own_jobs=action.own_jobs)
        endpoint = self.path_kwargs.get("endpoint")
        if endpoint is not None or not action.any_endpoint:
            self.caller.check_endpoint(endpoint)
        if action.scope == "manage" and not self.service.may_manage(self.caller):
            raise NotAllowed(
                "This server takes no changes of definitions.",
                target="scope",
                hint="Whoever may define code may run anything: `serve --allow-manage` allows it.",
            )

    def _check_media(self) -> None:
        headers = self.request.headers
        kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
        empty = headers.get("Content-Length", "0") == "0" and "Transfer-Encoding" not in headers
        if kind != "application/json" and not kind.endswith("+json") and not empty:
            raise WrongMediaType(
                f"Content-Type {kind[:80]!r} is not read here.",
                target="Content-Type",
                hint="Send application/json.",
            )
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise WrongMediaType(
                "A packed body is not read here.", target="Content-Encoding", hint="Send it plain."
            )

    @allow_unauthenticated  # as with GET, `prepare` has seen to that
    async def head(self, *args: str, **values: str) -> None:
        """Answer as to GET, without the body; a stream, which has no end, is not begun."""
        action = self.action
        if action is None or action.media == "text/event-stream":
            raise web.HTTPError(HTTPStatus.METHOD_NOT_ALLOWED)
        await ensure_async(self.get(*args, **values))

    # --- the body

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Keep what a body may have; what is beyond that is read and dropped, so that the answer can be read."""
        self._received += len(chunk)
        if self._received <= MAX_BYTES and not self._finished:
            self._chunks.append(chunk)
        return None

    def body(self) -> dict[str, Any]:
        """Return the JSON object of the request; without a body an empty one.

        Raises
        ------
        BodyTooLarge, RequestError
            If there is none that can be read.
        """
        if self._received > MAX_BYTES:
            raise _too_large()
        body = b"".join(self._chunks)
        return read_json(body) if body.strip() else {}

    # --- after the method

    def audit(self, **facts: Any) -> None:
        """Note what the request has done, for the logs."""
        self._facts.update(facts)

    def on_finish(self) -> None:
        """Count the answer; write down what was changed, or tried to be, and by whom."""
        super().on_finish()
        self.service.end(self)
        method, action = self.request.method or "", self.action
        self.service.metrics.observe(
            method=method if action else "OTHER",
            route=self.route,
            status=self.get_status(),
            seconds=self.request.request_time(),
        )
        if action is not None and action.scope is not None and method not in {"GET", "HEAD"}:
            self.service.write_audit(self._told())

    def _told(self) -> dict[str, Any]:
        """Return who asked for what, and what came of it; nothing in it is anybody's secret."""
        caller = getattr(self, "caller", None)
        return {
            "request": self.request_id,
            "caller": caller.name if caller else None,
            "address": self.request.remote_ip,
            "method": self.request.method,
            "path": self.request.path,
            "status": self.get_status(),
            **self._facts,
        }

    def _log(self) -> None:
        # In the place of Jupyter's line, which has the query of the address and the referring page.
        action = self.action
        quiet = self.service.has_kernels or (action is not None and action.scope is None)
        log_request(self, self._told(), quiet=quiet)

    def on_connection_close(self) -> None:
        """Wait no more for who has gone."""
        super().on_connection_close()
        self.service.end(self)

    # --- answers

    def answer(self, value: Any, status: int = HTTPStatus.OK) -> None:
        """Send a JSON value."""
        self.set_status(status)
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.finish(json.dumps(value, default=str, ensure_ascii=False, allow_nan=False))

    def address(self, query: str = "") -> str:
        """Return the address of this request as its caller sees it, with another query."""
        origin = self.settings.get("batchmagic_public_origin")
        return f"{origin or f'{self.request.protocol}://{self.request.host}'}{self.request.path}{query}"

    def fail(self, error: BatchMagicError) -> None:
        """Send what went wrong."""
        self.clear()
        if isinstance(error, NotAuthenticated):
            self.set_header("WWW-Authenticate", 'Bearer realm="batchmagic"')
        if isinstance(error, TooManyRequests):
            self.set_header("Retry-After", str(error.retry_after))
        self.answer(error_json(error, request_id=self.request_id, root=self.service.place), error.status)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Send what Tornado raises in the shape of all errors; what was unexpected is told in the log only."""
        del kwargs
        status = HTTPStatus(status_code)
        code = status.phrase.lower().replace(" ", "_")
        message = (
            f"Something went wrong here; the server's log tells what, under {self.request_id}."
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR
            else f"{status.phrase}: {self.request.method} of this address."
        )
        error = BatchMagicError(message)
        body = error_json(error, request_id=self.request_id, root=self.service.place)
        body["error"]["code"] = code
        self.answer(body, status_code)

    def log_exception(
        self,
        typ: type[BaseException] | None,
        value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Write down what was unexpected; Tornado writes the whole address with it, in which a secret may be."""
        if not isinstance(value, web.HTTPError) and typ is not None and value is not None:
            self.log.error("request %s met what nobody expected", self.request_id, exc_info=(typ, value, tb))

    def set_default_headers(self) -> None:
        """Let no browser run, frame, sniff or keep what is sent."""
        super().set_default_headers()
        self.set_header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-store")
        self.clear_header("Server")
        if self.request_id:
            self.set_header("X-Request-Id", self.request_id)
        if not self._is_let_in:
            # Tornado hangs up on a caller who is answered before the body was read: so that the next request knows.
            self.set_header("Connection", "close")

    def set_cors_headers(self) -> None:
        """Send what the server is configured to; nothing of our own, whoever asks."""
        if self.allow_origin or self.allow_origin_pat:
            super().set_cors_headers()


def _too_large() -> BodyTooLarge:
    return BodyTooLarge(f"The body has more than {MAX_BYTES} bytes.", target="body", hint="Send less.")
