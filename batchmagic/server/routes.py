"""The one table of addresses. Handlers, OpenAPI, metrics and the tests of the security cases are made from it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchmagic.server.actions import METHODS, action_of
from batchmagic.server.handlers import (
    definitions,
    files,
    jobs,
    mini_batches,
    operation,
    streams,
    tokens,
    versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.server.actions import Action

PREFIX = "/batchmagic"
_PART = re.compile(r"\{(\w+)\}")
# What a part in braces matches; everything else is one part of the path.
_PATTERNS = {"path": r"(?P<path>.+)", "number": r"(?P<number>[0-9]{1,9})"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """One address below `PREFIX`.

    Attributes
    ----------
    path
        With names in braces: ``/endpoints/{endpoint}``.
    values
        What the handler is made with.
    """

    path: str
    handler: type[Any]
    values: dict[str, Any] = field(default_factory=dict)

    @property
    def pattern(self) -> str:
        """The regular expression of the address, below the server's base URL."""

        def part(found: re.Match[str]) -> str:
            return _PATTERNS.get(found[1], rf"(?P<{found[1]}>[^/]+)")

        return PREFIX + _PART.sub(part, self.path)

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names in braces."""
        return tuple(_PART.findall(self.path))

    def actions(self) -> Iterator[tuple[str, Action]]:
        """Yield each method that the address knows, with what it does."""
        for method in METHODS:
            found = action_of(self.handler, method)
            if found is not None:
                yield method, found


def _of_kind(plural: str, kind: str) -> list[Route]:
    item = f"/{plural}/{{{kind}}}"
    return [
        Route(path=f"/{plural}", handler=definitions.DefinitionList, values={"kind": kind}),
        Route(path=item, handler=definitions.OneDefinition, values={"kind": kind}),
    ]


def _of_asset(plural: str, kind: str) -> list[Route]:
    item = f"/{plural}/{{{kind}}}"
    return [
        Route(path=f"/{plural}", handler=versions.AssetList, values={"kind": kind}),
        Route(path=item, handler=versions.OneAsset, values={"kind": kind}),
        Route(path=f"{item}/versions", handler=versions.VersionList, values={"kind": kind}),
        Route(path=f"{item}/versions/{{version}}", handler=versions.OneVersion, values={"kind": kind}),
        Route(path=f"{item}/versions/{{version}}/archive", handler=versions.Archive, values={"kind": kind}),
        Route(path=f"{item}/versions/{{version}}/restore", handler=versions.Restore, values={"kind": kind}),
    ]


def _of_job(below: str) -> list[Route]:
    item = f"{below}/jobs/{{job}}"
    return [
        Route(path=item, handler=jobs.OneJob),
        Route(path=f"{item}/cancel", handler=jobs.Cancel),
        Route(path=f"{item}/resume", handler=jobs.Resume),
        Route(path=f"{item}/progress", handler=mini_batches.ProgressOf),
        Route(path=f"{item}/errors", handler=mini_batches.Errors),
        Route(path=f"{item}/mini-batches", handler=mini_batches.MiniBatchList),
        Route(path=f"{item}/mini-batches/{{number}}", handler=mini_batches.OneMiniBatch),
        Route(path=f"{item}/logs", handler=files.LogList),
        Route(path=f"{item}/logs/{{path}}", handler=files.OneLog),
        Route(path=f"{item}/outputs", handler=files.OutputList),
        Route(path=f"{item}/outputs/score", handler=files.Rows),
        Route(path=f"{item}/outputs/score/{{path}}", handler=files.OutputFile),
    ]


_OF_ENDPOINT = "/endpoints/{endpoint}"

ROUTES: tuple[Route, ...] = (
    Route(path="/healthz", handler=operation.Health),
    Route(path="/readyz", handler=operation.Ready),
    Route(path="/whoami", handler=operation.WhoAmI),
    Route(path="/schemas/{kind}", handler=operation.Schema),
    Route(path="/openapi.json", handler=operation.OpenApi),
    Route(path="/metrics", handler=operation.MetricsText),
    Route(path="/tokens", handler=tokens.TokenList),
    Route(path="/tokens/{token}", handler=tokens.OneToken),
    *_of_kind("endpoints", "endpoint"),
    *_of_kind("computes", "compute"),
    *_of_asset("models", "model"),
    *_of_asset("data", "data"),
    *_of_asset("environments", "environment"),
    Route(path="/deployments", handler=definitions.AllDeployments),
    # The same under two addresses: by its endpoint as in Azure, and beside the other kinds.
    Route(path=f"{_OF_ENDPOINT}/deployments", handler=definitions.DeploymentList),
    Route(path=f"{_OF_ENDPOINT}/deployments/{{deployment}}", handler=definitions.OneDeployment),
    Route(path="/deployments/{endpoint}/{deployment}", handler=definitions.OneDeployment),
    Route(path="/events", handler=streams.Events),
    Route(path="/jobs", handler=jobs.AllJobs),
    Route(path=f"{_OF_ENDPOINT}/jobs", handler=jobs.EndpointJobs),
    *_of_job(_OF_ENDPOINT),
    *_of_job(""),
)


def handlers() -> list[tuple[str, type[Any], dict[str, Any]]]:
    """Return the table in the form of Tornado; what is not in it is answered in our shape too."""
    known = [(f"{route.pattern}/?", route.handler, {**route.values, "route": route.path}) for route in ROUTES]
    return [*known, (f"{PREFIX}(?:/.*)?", operation.Unknown, {})]
