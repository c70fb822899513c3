"""The folder that the demo works in: made anew each time, and never one that holds anything else."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import psutil

from batchmagic.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MARK = ".made-by-batchmagic-demo"
WORKSPACE = ".batchmagic"
_STOP_SECONDS = 40.0


def make_anew(folder: Path) -> None:
    """Have an empty `folder`; what an earlier demo left there is gone, its processes too.

    Raises
    ------
    UsageError
        If it holds anything that no demo made.
    """
    if folder.exists():
        if not folder.is_dir() or (any(folder.iterdir()) and not (folder / MARK).is_file()):
            raise UsageError(
                f"{folder} holds something that is not the demo's, and the demo begins with an empty folder.",
                target="--folder",
                hint="Name another one.",
            )
        end_computes(folder)
        remove(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("The demo removes this folder when it runs again.\n", encoding="utf-8")
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def end_computes(folder: Path) -> None:
    """Have no process of a workspace in `folder`, also if a demo was interrupted there a moment ago."""
    for record in folder.rglob(f"{WORKSPACE}/compute/*/supervisor.json"):
        workspace = record.parents[2]
        try:
            supervisor = psutil.Process(json.loads(record.read_text(encoding="ascii"))["identity"]["pid"])
            if any(word.endswith(f"={workspace}") for word in supervisor.cmdline()):
                supervisor.terminate()
                supervisor.wait(_STOP_SECONDS)
        except (OSError, ValueError, TypeError, KeyError, psutil.NoSuchProcess):
            continue  # there is none any more


def remove(folder: Path) -> None:
    """Have no `folder`; the compute of a workspace in it must have ended."""
    # Snapshots are read-only, their folders too.
    for path in [folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())]:
        path.chmod(0o700)
    shutil.rmtree(folder)
