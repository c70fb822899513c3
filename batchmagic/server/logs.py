"""What a server that runs alone writes, and how long a file of it may get."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from typing import TYPE_CHECKING

from batchmagic.server.request_log import JsonFormatter

if TYPE_CHECKING:
    from pathlib import Path

_TEXT = "%(asctime)s %(levelname)s %(message)s"
_LONGEST = 10 << 20


def set_up(own: logging.Logger, form: str, *, level: int) -> None:
    """Have everything that is logged written to standard error.

    Parameters
    ----------
    own
        Jupyter's logger, which else has a form of its own.
    form
        ``text`` or ``json``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(_TEXT))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    hand_on(own)
    own.setLevel(level)


def hand_on(own: logging.Logger) -> None:
    """Have one of Jupyter's loggers write where all others do, in their form."""
    own.handlers.clear()
    own.propagate = True


def keep_short(file: Path) -> None:
    """Move what is in a log to ``FILE.1`` when it has become long; who writes to it goes on as before.

    That one must have it open for appending.
    """
    if not file.exists() or file.stat().st_size < _LONGEST:
        return
    older = os.open(f"{file}.1", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(older, "wb") as copy, file.open("rb") as log:
        shutil.copyfileobj(log, copy)
    os.truncate(file, 0)
