"""The spool that nobody needs any more: gone in one step, before the job has its last state."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from batchmagic.scoring.plan import sync_folder
from batchmagic.scoring.spool import spool_of

if TYPE_CHECKING:
    from pathlib import Path

_RETIRED = "spool.done"


def retire_spool(job_folder: Path) -> None:
    """Let the spool be gone, and remember it until `forget_retired`: the output has all that will ever be in it.

    A host that takes the job over after this finds that the rows are where they belong, and not that they are lost.
    """
    retired, spool = job_folder / _RETIRED, spool_of(job_folder)
    if not retired.exists() and spool.exists():
        spool.rename(retired)
    retired.mkdir(mode=0o700, exist_ok=True)
    sync_folder(job_folder)
    for path in retired.iterdir():
        path.unlink()
    shutil.rmtree(spool, ignore_errors=True)


def is_retired(job_folder: Path) -> bool:
    """Return whether the rows have left the spool for the output, and the job has not got its last state yet."""
    return (job_folder / _RETIRED).exists()


def forget_retired(job_folder: Path) -> None:
    """Leave nothing of a spool that was retired: the job has its last state."""
    shutil.rmtree(job_folder / _RETIRED, ignore_errors=True)
