"""What operators and pages ask of the server itself."""

from __future__ import annotations

from http import HTTPStatus

from prometheus_client import CONTENT_TYPE_LATEST

from batchmagic import __version__
from batchmagic.errors import BatchMagicError, ResourceNotFoundError
from batchmagic.server.actions import METHODS, action
from batchmagic.server.base import BatchHandler


class Health(BatchHandler):
    """Whether the server answers."""

    @action(scope=None, summary="Whether the server answers", status=204)
    async def get(self) -> None:
        """Say nothing, which is an answer."""
        self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()


class Ready(BatchHandler):
    """Whether the workspace can be read."""

    @action(scope=None, summary="Whether the workspace can be read", status=204)
    async def get(self) -> None:
        """Look into the workspace; without a body, as nobody has said who asks."""
        try:
            await self.service.call(self.service.look)
        except BatchMagicError as error:
            self.log.warning("The workspace cannot be used: %s", error)
            self.set_status(HTTPStatus.SERVICE_UNAVAILABLE)
        else:
            self.set_status(HTTPStatus.NO_CONTENT)
        self.finish()


class WhoAmI(BatchHandler):
    """Whose credentials these are."""

    @action(
        scope="read",
        own_jobs=True,
        any_endpoint=True,
        summary="Whose credentials these are, what they are good for, and which server this is",
        answer="WhoAmI",
    )
    async def get(self) -> None:
        """Tell it."""
        caller = self.caller
        self.answer(
            {
                "name": caller.name,
                "scopes": sorted(caller.scopes),
                "endpoint": caller.endpoint,
                "may_manage": self.service.may_manage(caller),
                "version": __version__,
            }
        )


class Schema(BatchHandler):
    """The JSON Schema of a kind."""

    @action(
        scope="read",
        own_jobs=True,
        any_endpoint=True,
        summary="The JSON Schema of a kind of definition",
        answer="Schema",
    )
    async def get(self, kind: str) -> None:
        """Return it."""
        from batchmagic.entities.kinds import KINDS  # noqa: PLC0415 - brings Pydantic
        from batchmagic.entities.schema import schema_of  # noqa: PLC0415

        if kind not in KINDS:
            raise ResourceNotFoundError(kind="kind", name=kind, known=KINDS)
        self.answer(schema_of(kind))


class OpenApi(BatchHandler):
    """The description of all addresses."""

    @action(
        scope="read",
        own_jobs=True,
        any_endpoint=True,
        summary="This description of all addresses",
        answer="OpenApi",
    )
    async def get(self) -> None:
        """Return it."""
        from batchmagic.server.openapi import document  # noqa: PLC0415 - it reads the table, which knows this

        self.answer(document(self.settings["base_url"]))


class MetricsText(BatchHandler):
    """The metrics."""

    @action(scope="read", summary="Metrics in Prometheus' text format", media="text/plain", answer="Text")
    async def get(self) -> None:
        """Return them; the jobs are counted now."""
        text = await self.service.call(self.service.metrics.text)
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.finish(text)


class Unknown(BatchHandler):
    """An address that is none: told only to those who may come in."""

    async def _refuse(self) -> None:
        raise ResourceNotFoundError(
            "There is nothing at this address.", kind="address", hint="See /batchmagic/openapi.json."
        )


for _method in METHODS:
    setattr(
        Unknown,
        _method.lower(),
        action(scope="read", own_jobs=True, any_endpoint=True, summary="No such address")(Unknown._refuse),  # noqa: SLF001
    )
