"""What a job has written: its logs and its outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from batchmagic.errors import NotDeclared, ResourceNotFoundError, StateError
from batchmagic.sdk.logs import match_log
from batchmagic.sdk.preview import row_page
from batchmagic.sdk.results import output_file, output_folder
from batchmagic.server.actions import action
from batchmagic.server.files import Listed, Place, list_files, logs_of, open_file, parts_of
from batchmagic.server.handlers.jobs import Jobs
from batchmagic.server.sending import TEXT, media_of, send
from batchmagic.words import printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.sdk.preview import RowPage
    from batchmagic.server.files import OpenFile
    from batchmagic.workspace.job_records import JobRecord

_MOST, _MOST_ROWS = 1000, 1000
_PAGES = (("top", f"How many, at most {_MOST}"), ("skip", "Where to go on, as `nextLink` has it"))
_ANY = {"scope": "read", "own_jobs": True, "any_endpoint": True}


class Files(Jobs):
    """What the handlers of files have in common."""

    lane = "files"

    def decode_argument(self, value: bytes, name: str | None = None) -> str:
        """Return a part of the address; a file's name may have bytes that are no UTF-8."""
        if name == "path":
            return value.decode("utf-8", "surrogateescape")
        return super().decode_argument(value, name)

    def outputs_of(self, record: JobRecord) -> Place:
        """Return where the job's output is.

        Raises
        ------
        NotDeclared
            If that is no place that this caller may use.
        """
        ws = self.service.workspace()
        folder, access = output_folder(ws, record), self.service.access(self.caller)
        if record.spec.output_path is None:
            return Place(base=ws.root, parts=folder.relative_to(ws.root).parts)
        if not access.is_limited:
            return Place(base=folder)
        found = access.output(str(folder), ws.root)
        return Place(base=found.within, parts=found.path.relative_to(found.within).parts)

    def rows_of(self, record: JobRecord) -> str:
        """Return the name of the file with the rows.

        Raises
        ------
        ResourceNotFoundError
            If the job keeps none.
        """
        path = output_file(self.service.workspace(), record)
        if path is None:
            raise ResourceNotFoundError(
                f"Job {record.name} keeps no rows.",
                kind="output",
                hint="Its own files are listed at …/outputs.",
            )
        return path.name

    def sees_folder(self, record: JobRecord) -> bool:
        """Return whether this caller may see all files beside the rows: in a folder elsewhere others may have theirs."""
        may_read_all = "read" in self.caller.scopes and self.caller.endpoint is None
        return record.spec.output_path is None or may_read_all

    def page(self, files: list[Listed]) -> dict[str, Any]:
        """Return one page of the files, each with its address."""
        top, after = self.number("top", _MOST, most=_MOST), self.get_query_argument("skip", "")
        rest = [file for file in files if printable(file.path) > after] if after else files
        shown = [{**file.to_json(), "href": self._href(file.path)} for file in rest[:top]]
        more = {"top": top, "skip": shown[-1]["path"]} if len(rest) > top else None
        return {"value": shown, "nextLink": more and self.address(f"?{urlencode(more)}")}

    def _href(self, path: str) -> str:
        return f"{self.request.path.rstrip('/')}/{quote(os.fsencode(path))}"


class LogList(Files):
    """The logs of a job."""

    @action(**_ANY, summary="List the logs of the job", answer="FileList", query=_PAGES)
    async def get(self, **names: str) -> None:
        """Return one page."""
        self.answer(await self.service.call(self._list, names))

    def _list(self, names: Mapping[str, str]) -> dict[str, Any]:
        record = self.find(names)
        return self.page(list_files(logs_of(record, self.service.workspace())))


class OneLog(Files):
    """A log of a job, as it is now; it may grow."""

    @action(
        **_ANY,
        summary="Read a log, or a range of it; an unambiguous end of its path will do",
        answer="Text",
        media="text/plain",
    )
    async def get(self, **names: str) -> None:
        """Send it."""
        with self.service.download():
            file, path = await self.service.call(self._open, names)
            await send(self, file, name=os.path.basename(path), media=TEXT, leave_out_holes=True)  # noqa: PTH119

    def _open(self, names: Mapping[str, str]) -> tuple[OpenFile, str]:
        place, path = logs_of(self.find(names), self.service.workspace()), names["path"]
        try:
            return open_file(place, parts_of(path)), path
        except ResourceNotFoundError:
            known = [file.path for file in list_files(place)]
            found = match_log(known, path)
            return open_file(place, parts_of(found)), found


class OutputList(Files):
    """The files that a job has put out."""

    @action(**_ANY, summary="List the files of the job's output", answer="FileList", query=_PAGES)
    async def get(self, **names: str) -> None:
        """Return one page."""
        self.answer(await self.service.call(self._list, names))

    def _list(self, names: Mapping[str, str]) -> dict[str, Any]:
        record = self.find(names)
        files = list_files(self.outputs_of(record))
        if not self.sees_folder(record):
            files = [file for file in files if file.path == self.rows_of(record)]
        return self.page(files)

    def _href(self, path: str) -> str:
        return f"{self.request.path.rstrip('/')}/score/{quote(os.fsencode(path))}"


class Rows(Files):
    """The rows of a job: the file that it put out."""

    @action(
        **_ANY,
        summary="Read the output file, or a range of it, or (preview) some of its rows as JSON",
        answer="Binary",
        media="application/octet-stream",
        query=(
            ("preview", "`1`: some rows as JSON"),
            ("top", f"How many rows, at most {_MOST_ROWS}"),
            ("skip", "Where to go on, as `nextLink` has it"),
        ),
    )
    async def get(self, **names: str) -> None:
        """Send the file, or some rows of it."""
        if self.get_query_argument("preview", "") not in {"", "0"}:
            top, start = self.number("top", 100, most=_MOST_ROWS), self.number("skip", 0, least=0)
            found = await self.service.call(self._preview, names, top, start)
            self.answer(self._shown(found, top))
            return
        with self.service.download():
            file, name = await self.service.call(self._open, names)
            await send(self, file, name=name, media=media_of(name))

    def _open(self, names: Mapping[str, str]) -> tuple[OpenFile, str]:
        record = self.find(names)
        name = self.rows_of(record)
        try:
            return open_file(self.outputs_of(record), (name,)), name
        except ResourceNotFoundError:
            if record.status.is_terminal:
                raise
            raise StateError(
                f"Job {record.name} is {record.status}; its output is not there yet.", target="status"
            ) from None

    def _preview(self, names: Mapping[str, str], top: int, start: int) -> RowPage:
        record = self.find(names)
        file, _ = self._open(names)
        with os.fdopen(file.descriptor, "rb") as opened:
            return row_page(self.service.workspace(), record, opened, top=top, start=start)

    def _shown(self, found: RowPage, top: int) -> dict[str, Any]:
        more = {"preview": 1, "top": top, "skip": found.next}
        return {
            "columns": [{"name": name, "type": kind} for name, kind in found.columns],
            "rows": found.rows,
            "nextLink": None if found.next is None else self.address(f"?{urlencode(more)}"),
        }


class OutputFile(Files):
    """A file that a script has put out itself."""

    @action(
        **_ANY,
        summary="Read a file of the job's output, or a range of it",
        answer="Binary",
        media="application/octet-stream",
    )
    async def get(self, **names: str) -> None:
        """Send it."""
        with self.service.download():
            file = await self.service.call(self._open, names)
            name = os.path.basename(names["path"])  # noqa: PTH119
            await send(self, file, name=name, media=media_of(name))

    def _open(self, names: Mapping[str, str]) -> OpenFile:
        record, parts = self.find(names), parts_of(names["path"])
        if not self.sees_folder(record) and parts != (self.rows_of(record),):
            raise NotDeclared(
                "The output is in a folder that others use too: these credentials are good for the rows only.",
                target="path",
            )
        return open_file(self.outputs_of(record), parts)
