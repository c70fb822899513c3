"""How far a job is, mini-batch by mini-batch, and what went wrong in it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from batchmagic.errors import ResourceNotFoundError, ValidationException
from batchmagic.redaction import redact_uris
from batchmagic.sdk.error_report import error_item
from batchmagic.server.actions import action
from batchmagic.server.handlers.jobs import Jobs
from batchmagic.words import printable
from batchmagic.workspace.manifest import Manifest
from batchmagic.workspace.vocabulary import RETRIED, STATUSES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger_pages import LedgerPages, MiniBatch, Try

_MOST = 1000
_KNOWN = (*STATUSES, RETRIED)
_MOST_FILES = 100_000
_ANY = {"scope": "read", "own_jobs": True, "any_endpoint": True}


class MiniBatchList(Jobs):
    """The mini-batches of a job, in order."""

    @action(
        **_ANY,
        summary="List the mini-batches of the job: how each of them stands",
        answer="MiniBatchList",
        query=(
            ("status", f"Only those: {', '.join(_KNOWN)}"),
            ("top", f"How many, at most {_MOST}; there may be fewer"),
            ("skip", "The number of the mini-batch to begin with"),
        ),
    )
    async def get(self, **names: str) -> None:
        """Return one page."""
        status = self.get_query_argument("status", "") or None
        if status is not None and status not in _KNOWN:
            raise ValidationException(
                field="status", value=status, reason="is no status", hint=f"Known: {', '.join(_KNOWN)}."
            )
        top, first = self.number("top", 100, most=_MOST), self.number("skip", 0, least=0)
        items, following = await self.service.call(self._page, names, first, top, status)
        more = {"top": top, "skip": following, **({"status": status} if status else {})}
        link = None if following is None else self.address(f"?{urlencode(more)}")
        self.answer({"value": items, "nextLink": link})

    def _page(
        self, names: Mapping[str, str], first: int, top: int, status: str | None
    ) -> tuple[list[dict[str, Any]], int | None]:
        record = self.find(names)
        if not record.progress.mini_batches:
            return [], None
        with Manifest.open(record.folder, check=False) as plan:
            with _pages(record, plan) as pages:
                found, following = pages.page(first, top, status=status)
            return [_shown(item, plan) for item in found], following


class OneMiniBatch(Jobs):
    """One mini-batch of a job."""

    @action(
        **_ANY,
        summary="Show a mini-batch with its attempts",
        answer="MiniBatch",
        query=(("files", "`1`: with the names of all its files"),),
    )
    async def get(self, **names: str) -> None:
        """Return it."""
        with_files = self.get_query_argument("files", "") not in {"", "0"}
        self.answer(await self.service.call(self._one, names, with_files))

    def _one(self, names: Mapping[str, str], with_files: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
        record, number = self.find(names), int(names["number"])
        missing = ResourceNotFoundError(kind="mini-batch", name=str(number))
        if not record.progress.mini_batches:
            raise missing
        with Manifest.open(record.folder, check=False) as plan:
            with _pages(record, plan) as pages:
                found = pages.tries(number)
            if found is None:
                raise missing
            item, tries = found
            paths = plan.paths_of(number)
            shown = {**_shown(item, plan), "tries": [_try(each, paths) for each in tries]}
            if with_files:
                shown["paths"] = [printable(path) for path in paths[:_MOST_FILES]]
        return shown


class Errors(Jobs):
    """What went wrong in a job."""

    @action(**_ANY, summary="Show the errors of the job, grouped, with tracebacks", answer="ErrorList")
    async def get(self, **names: str) -> None:
        """Return them, the one with most failed files first."""
        self.answer({"value": await self.service.call(self._groups, names), "nextLink": None})

    def _groups(self, names: Mapping[str, str]) -> list[dict[str, Any]]:
        groups = self.service.client.session.error_groups(self.find(names).name)
        return [
            {
                **error_item(group),
                "phase": group.phase,
                "tracebacks": [redact_uris(text) for text in group.tracebacks],
            }
            for group in groups
        ]


class ProgressOf(Jobs):
    """How far a job is, and how it came there."""

    @action(**_ANY, summary="Show the counters of the job, and every change of its state", answer="Progress")
    async def get(self, **names: str) -> None:
        """Return both."""
        self.answer(await self.service.call(self._progress, names))

    def _progress(self, names: Mapping[str, str]) -> dict[str, Any]:
        record = self.find(names)
        return {
            "name": record.name,
            "status": str(record.status),
            "status_detail": redact_uris(record.status_detail),
            "run": record.run,
            "progress": record.progress.to_json(),
            "events": self._events(record),
        }

    def _events(self, record: JobRecord) -> list[dict[str, Any]]:
        return [
            {
                "run": event.run,
                "at": event.at.isoformat(),
                "status": str(event.status),
                "detail": redact_uris(event.detail),
            }
            for event in self.service.workspace().jobs.events(record.name)
        ]


def _pages(record: JobRecord, plan: Manifest) -> LedgerPages:
    from batchmagic.workspace.ledger_pages import LedgerPages  # noqa: PLC0415 - brings SQLAlchemy

    return LedgerPages.open(record.folder, plan.files_in)


def _shown(item: MiniBatch, plan: Manifest) -> dict[str, Any]:
    return {
        "number": item.number,
        "status": item.status,
        "attempts": item.attempts,
        "files": plan.files_in(item.number),
        "file": printable(plan.first_of(item.number)),
        "rows": item.rows,
        "instance": item.instance,
        "slot": item.slot,
        "started_at": _moment(item.started),
        "seconds": item.seconds,
        "error": _error(item.error),
    }


def _try(each: Try, paths: list[str]) -> dict[str, Any]:
    return {
        "attempt": each.attempt,
        "file": printable(paths[each.part - 1]) if each.part else None,
        "ok": each.ok,
        "final": each.final,
        "rows": each.rows,
        "instance": each.instance,
        "slot": each.slot,
        "started_at": _moment(each.started),
        "seconds": each.seconds,
        "error": _error(each.error),
    }


def _moment(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()


def _error(error: tuple[str, str] | None) -> dict[str, str] | None:
    return error and {"kind": error[0], "message": redact_uris(error[1])}
