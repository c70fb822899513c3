"""Jobs: started, listed, shown, ended."""

from __future__ import annotations

import hashlib
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from jupyter_server.utils import url_path_join

from batchmagic.entities.status import JobStatus
from batchmagic.errors import (
    RequestError,
    ResourceNotFoundError,
    ValidationException,
)
from batchmagic.server.actions import action
from batchmagic.server.arm import job_json, job_list_json
from batchmagic.server.base import BatchHandler
from batchmagic.server.handlers.definitions import gone
from batchmagic.server.identity import STARTED_BY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.workspace.job_records import JobRecord

_KEYS = (
    "repeatability-request-id",
    "repeatability_request-id",
    "repeatability_request_id",
    "idempotency-key",
)
_LONGEST_KEY = 256
_MOST = 1000
_PAGES = (
    ("top", f"How many, at most {_MOST}"),
    ("skip", "Where to go on, as `nextLink` has it"),
    ("status", "Only jobs of these statuses, with commas"),
    ("view", "`document`: in the form that pages are drawn from"),
)
_VIEW = (("view", "`document`: in the form that pages are drawn from"),)


class Jobs(BatchHandler):
    """What all handlers of jobs have in common."""

    def find(self, names: Mapping[str, str]) -> JobRecord:
        """Return the job of the address, by its whole name or its child's, if this caller may know of it.

        Raises
        ------
        ResourceNotFoundError
            If there is none, without a word about other jobs.
        """
        name = names["job"]
        try:
            record = self.service.workspace().jobs.get(name)
        except ResourceNotFoundError:
            raise ResourceNotFoundError(kind="job", name=name) from None
        endpoint = names.get("endpoint", record.spec.endpoint).lower()
        if name not in {record.name, record.child_name} or record.spec.endpoint != endpoint:
            raise ResourceNotFoundError(kind="job", name=name)
        self.caller.check_job(record)
        return record

    def shown(self, record: JobRecord) -> dict[str, Any]:
        """Return the job in the form that was asked for."""
        ws = self.service.workspace()
        view = self.get_query_argument("view", "")
        if view not in {"", "document"}:
            raise ValidationException(field="view", value=view, reason="is no view", hint="Known: document.")
        if view == "document":
            from batchmagic.sdk.job_document import job_document  # noqa: PLC0415 - brings Pydantic

            return job_document(ws, record, groups=self.service.client.session.error_groups(record.name))
        return job_json(ws, record)

    def looked_after(self, names: Mapping[str, str]) -> dict[str, Any]:
        """Return the job as it is now; whoever polls sees to it that it has a host."""
        record = self.find(names)
        self.service.client.session.look_after([record])
        return self.shown(record)

    def number(self, name: str, default: int | None, *, least: int = 1, most: int = 1 << 60) -> Any:
        """Return a number of the query.

        Raises
        ------
        ValidationException
            If what is given is none from `least` to `most`.
        """
        text = self.get_query_argument(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdecimal() and least <= int(text[:20]) <= most):
            raise ValidationException(
                field=name, value=text[:80], reason=f"is no number from {least} to {most}"
            )
        return int(text)


class JobList(Jobs):
    """Jobs, newest first, page by page."""

    def page(self, endpoint: str | None) -> dict[str, Any]:
        """Return one page of the jobs that this caller may know of."""
        ws = self.service.client.session.peek()
        top, before = self.number("top", 100, most=_MOST), self.number("skip", None)
        if ws is None:
            return job_list_json([], next_link=None)
        if endpoint is not None:
            endpoint = ws.endpoints.get(endpoint).name
        own = None if "read" in self.caller.scopes else {STARTED_BY: self.caller.name}
        found = ws.jobs.list(
            endpoint,
            statuses=self._statuses(),
            limit=top + 1,
            archived=False,
            before=before,
            properties=own,
        )
        records, more = [record for record in found[:top] if self.caller.sees(record)], len(found) > top
        self.service.client.session.look_after(records)
        after = self.address(f"?{self._query(top=top, skip=found[top - 1].seq)}") if more else None
        return job_list_json([self.shown(record) for record in records], next_link=after)

    def _statuses(self) -> list[JobStatus] | None:
        words = [word for word in self.get_query_argument("status", "").split(",") if word]
        known = {str(status).lower(): status for status in JobStatus}
        for word in words:
            if word.lower() not in known:
                raise ValidationException(
                    field="status", value=word, reason="is no status", hint=f"Known: {', '.join(JobStatus)}."
                )
        return [known[word.lower()] for word in words] or None

    def _query(self, **values: Any) -> str:
        kept = {key: self.get_query_argument(key, "") for key in ("status", "view")}
        return "&".join(f"{key}={value}" for key, value in {**kept, **values}.items() if value)


class AllJobs(JobList):
    """The jobs of all endpoints."""

    @action(
        scope="read",
        own_jobs=True,
        any_endpoint=True,
        summary="List jobs, newest first: those that the caller may see",
        answer="JobList",
        query=_PAGES,
    )
    async def get(self) -> None:
        """Return one page."""
        self.answer(await self.service.call(self.page, self.caller.endpoint))


class EndpointJobs(JobList):
    """The jobs of an endpoint, and the address at which it is invoked."""

    @action(
        scope="read",
        own_jobs=True,
        summary="List the jobs of the endpoint, newest first",
        answer="JobList",
        query=_PAGES,
    )
    async def get(self, endpoint: str) -> None:
        """Return one page."""
        self.answer(await self.service.call(self.page, endpoint))

    @action(
        scope="invoke", summary="Invoke the endpoint: start a job", body="Invoke", answer="Job", status=201
    )
    async def post(self, endpoint: str) -> None:
        """Check everything, start the job, and return it; a request that comes again gets the job of the first."""
        from batchmagic.server.invoke_body import read_invoke  # noqa: PLC0415 - brings Pydantic

        arguments = read_invoke(self.body(), deployment=self.request.headers.get("azureml-model-deployment"))
        key = self._key(endpoint)
        found, is_new = await self.service.call(self._start, endpoint, arguments, key)
        self.audit(target=f"job {found['name']}", repeated=not is_new)
        self.set_header("Location", url_path_join(self.base_url, found["id"]))
        if key is not None:
            self.set_header("Repeatability-Result", "accepted")
        self.answer(found, HTTPStatus.CREATED)

    def _start(
        self, endpoint: str, arguments: dict[str, Any], key: str | None
    ) -> tuple[dict[str, Any], bool]:
        operations = self.service.client.batch_endpoints
        ws = self.service.workspace()
        name = ws.endpoints.get(endpoint).name
        request = hashlib.sha256(
            json.dumps([name, arguments], sort_keys=True, default=str).encode()
        ).hexdigest()
        known = ws.jobs.submitted(key, request) if key else None
        if known is not None:
            return self.shown(known), False
        job = operations.invoke(
            name,
            **arguments,
            properties={STARTED_BY: self.caller.name},
            access=self.service.access(self.caller),
            idempotency_key=key,
            request=request,
            most_queued=self.service.max_queued,
        )
        return self.shown(ws.jobs.get(job.name)), True

    def _key(self, endpoint: str) -> str | None:
        """Return the key of the request, which means this caller's at this endpoint only."""
        given = {self.request.headers[name].strip() for name in _KEYS if name in self.request.headers}
        if not given:
            return None
        (key, *others) = given
        if others or not 0 < len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
            raise RequestError(
                f"The idempotency key is no one text of 1 to {_LONGEST_KEY} printable characters.",
                target="repeatability-request-id",
                hint="Send a new UUID with each new request.",
            )
        return hashlib.sha256(f"{self.caller.name}\n{endpoint.lower()}\n{key}".encode()).hexdigest()


class OneJob(Jobs):
    """One job: what callers poll."""

    @action(
        scope="read",
        own_jobs=True,
        any_endpoint=True,
        summary="Show the job and its status",
        answer="Job",
        query=_VIEW,
    )
    async def get(self, **names: str) -> None:
        """Return it as it is now."""
        self.answer(await self.service.call(self.looked_after, names))

    @action(
        scope="manage",
        summary="Delete the job with its logs; an output elsewhere stays",
        status=204,
        any_endpoint=True,
    )
    async def delete(self, **names: str) -> None:
        """Remove a job that has ended."""
        name = await self.service.call(self._delete, names)
        self.audit(target=f"job {name}")
        gone(self)

    def _delete(self, names: Mapping[str, str]) -> str:
        name = self.find(names).name
        self.service.client.jobs.delete(name)
        return name


class Cancel(Jobs):
    """Ends a job."""

    @action(scope="invoke", summary="Cancel the job", answer="Job", status=202, any_endpoint=True)
    async def post(self, **names: str) -> None:
        """Ask for its end, and return it as it is then."""
        found = await self.service.call(self._cancel, names)
        self.audit(target=f"job {found['name']}")
        self.answer(found, HTTPStatus.ACCEPTED)

    def _cancel(self, names: Mapping[str, str]) -> dict[str, Any]:
        self.service.client.jobs.begin_cancel(self.find(names).name)
        return self.shown(self.find(names))


class Resume(Jobs):
    """Runs what is left of a job."""

    @action(
        scope="invoke",
        summary="Run what is left of the job",
        body="Resume",
        answer="Job",
        status=202,
        any_endpoint=True,
    )
    async def post(self, **names: str) -> None:
        """Queue a new run of it, and return it."""
        body = self.body()
        unknown = sorted(body.keys() - {"redo_failed", "redoFailed"})
        if unknown or not all(isinstance(value, bool) for value in body.values()):
            raise ValidationException(
                field=(unknown or ["redo_failed"])[0],
                value=body,
                reason="is not known",
                hint='Send {"redo_failed": true}, or nothing.',
            )
        found = await self.service.call(self._resume, names, any(body.values()))
        self.audit(target=f"job {found['name']}")
        self.answer(found, HTTPStatus.ACCEPTED)

    def _resume(self, names: Mapping[str, str], redo_failed: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
        self.service.client.jobs.resume(self.find(names).name, redo_failed=redo_failed)
        return self.shown(self.find(names))
