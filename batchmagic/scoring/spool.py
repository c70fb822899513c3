"""The spool folder of a job: who shares it, and what its files are called."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from batchmagic.scoring.plan import replace_file

if TYPE_CHECKING:
    from pathlib import Path

MAX_SEGMENT = 64 * 1024 * 1024
_NONCE = "nonce"


def spool_of(job_folder: Path) -> Path:
    """Return the folder of a job's segments."""
    return job_folder / "spool"


def write_nonce(job_folder: Path) -> str:
    """Put a new secret into the spool and return it: who can read it there shares the folder."""
    spool = spool_of(job_folder)
    spool.mkdir(mode=0o700, exist_ok=True)
    nonce = secrets.token_hex(16)
    replace_file(spool / _NONCE, nonce.encode("ascii"))
    return nonce


def shares_folder(job_folder: Path, nonce: str) -> bool:
    """Return whether this process sees the same spool folder as the driver that wrote `nonce`."""
    try:
        return (spool_of(job_folder) / _NONCE).read_text(encoding="ascii") == nonce
    except OSError:
        return False


def begun_mark(job_folder: Path, number: int) -> Path:
    """Return the file that says that the lone member of a lease has been begun."""
    return spool_of(job_folder) / f"begun-{number}"
