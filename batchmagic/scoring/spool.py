"""The spool folder of a job: who shares it, and what its files are called.

Every name has the epoch of the claim in it under which the file was made: what an earlier owner of the job still
does to its own files changes nothing for a later one.
"""

from __future__ import annotations

import contextlib
import re
import secrets
from typing import TYPE_CHECKING

from batchmagic.scoring.plan import sync_folder
from batchmagic.scoring.private_temp import remove_folder

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

MAX_SEGMENT = 64 * 1024 * 1024
_EPOCH = re.compile(r"(?:begun-|nonce-)?(?P<epoch>\d+)-.+")


def spool_of(job_folder: Path) -> Path:
    """Return the folder of a job's segments."""
    return job_folder / "spool"


def write_nonce(job_folder: Path, epoch: int) -> str:
    """Put a new secret into the spool and return it: who can see it there shares the folder."""
    spool = spool_of(job_folder)
    spool.mkdir(mode=0o700, exist_ok=True)
    nonce = f"nonce-{epoch}-{secrets.token_hex(16)}"
    (spool / nonce).touch(mode=0o600)
    sync_folder(spool)
    return nonce


def shares_folder(job_folder: Path, nonce: str) -> bool:
    """Return whether this process sees the same spool folder as the driver that wrote `nonce`."""
    return (spool_of(job_folder) / nonce).exists()


def begun_mark(job_folder: Path, epoch: int, number: int) -> Path:
    """Return the file that says that the lone member of a lease has been begun."""
    return spool_of(job_folder) / f"begun-{epoch}-{number}"


def forget_earlier(job_folder: Path, epoch: int, named: Collection[str]) -> None:
    """Remove what drivers before `epoch` have left in the spool, but for the segments that the ledger has `named`."""
    for path in spool_of(job_folder).glob("*"):
        found = _EPOCH.fullmatch(path.name)
        if found and int(found["epoch"]) < epoch and path.name not in named:
            path.unlink(missing_ok=True)


def work_of(job_folder: Path, epoch: int) -> Path:
    """Return the folder in which the scoring processes of a claim work."""
    return job_folder / "work" / str(epoch)


def forget_work(job_folder: Path, epoch: int) -> None:
    """Remove the working folders of claims before `epoch`, whose scoring processes nobody waits for."""
    work = job_folder / "work"
    for path in work.glob("*"):
        if not path.name.isdecimal() or int(path.name) < epoch:
            remove_folder(path)
    with contextlib.suppress(OSError):
        work.rmdir()
