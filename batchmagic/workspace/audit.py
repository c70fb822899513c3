"""Who has started and changed what over HTTP: one line of JSON for each request that changes something.

A file per day, to which any number of servers may add: a line is written in one piece at the end, whatever its length.
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batchmagic.disk import told
from batchmagic.workspace.folders import private_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class AuditLog:
    """The files ``audit/<day>.jsonl`` of a workspace; days are those of UTC.

    Parameters
    ----------
    root
        The workspace.
    """

    def __init__(self, root: Path) -> None:
        self.folder = root / "audit"

    def write(self, entry: Mapping[str, object]) -> None:
        """Add an entry, with the time.

        Raises
        ------
        DiskError
            If it cannot be written.
        """
        at = datetime.now(UTC)
        line = json.dumps({"at": at.isoformat(timespec="milliseconds"), **entry}, default=str) + "\n"
        file = self.folder / f"{at:%Y-%m-%d}.jsonl"
        with told(file):
            private_folder(self.folder)
            descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, line.encode())
            finally:
                os.close(descriptor)
