"""A file that holds a little of the disk back, so that on a full one a job can still be told so."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 1 << 20
_FILE = "reserve"


def hold(folder: Path) -> bool:
    """Return whether a MiB of the disk is held back in `folder`, if need be from now on."""
    path = folder / _FILE
    try:
        if path.exists() and path.stat().st_size == BYTES:
            return True
        with os.fdopen(
            os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_CLOEXEC, 0o600), "wb"
        ) as file:
            # Nothing that a disk could store in less.
            file.write(os.urandom(BYTES))
    except OSError:
        spend(folder)
        return False
    return True


def spend(folder: Path) -> None:
    """Give back what `hold` held back."""
    with contextlib.suppress(OSError):
        (folder / _FILE).unlink(missing_ok=True)
