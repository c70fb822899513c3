"""One line for each request, as text or as JSON, without anything that a caller keeps secret."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchmagic.server.base import BatchHandler

_FACTS = "batchmagic_facts"


def log_request(handler: BatchHandler, facts: dict[str, Any], *, quiet: bool) -> None:
    """Write the line of a request that was answered.

    Parameters
    ----------
    facts
        Who asked for what, and what came of it. The query of the address is not among them, nor any header.
    quiet
        Whether successes are of interest to people who look for a fault only.
    """
    status = handler.get_status()
    level = logging.DEBUG if quiet else logging.INFO
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        level = logging.ERROR
    elif status >= HTTPStatus.BAD_REQUEST:
        level = logging.WARNING
    text = "%s %s %s by %s in %.0f ms, request %s"
    who = facts.get("caller") or "nobody known"
    handler.log.log(
        level,
        text,
        status,
        facts["method"],
        facts["path"],
        who,
        1000 * handler.request.request_time(),
        facts["request"],
        extra={_FACTS: facts},
    )


class JsonFormatter(logging.Formatter):
    """Each record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, tz=UTC).isoformat(timespec="milliseconds")
        values: dict[str, Any] = {"at": at, "level": record.levelname.lower(), "logger": record.name}
        facts = getattr(record, _FACTS, None)
        values |= facts if facts is not None else {"message": record.getMessage()}
        if record.exc_info:
            values["traceback"] = self.formatException(record.exc_info)
        return json.dumps(values, default=str, ensure_ascii=False)
