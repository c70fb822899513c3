"""The folder that the demo works in: made anew each time, and never one that holds anything else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import psutil

from batchmagic.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

MARK = ".made-by-batchmagic-demo"
WORKSPACE = ".batchmagic"
_STOP_SECONDS = 40.0


def make_anew(folder: Path, *, compute: str) -> None:
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
        _end_compute(folder / WORKSPACE, compute)
        _remove(folder)
    folder.mkdir(parents=True)
    (folder / MARK).write_text("The demo removes this folder when it runs again.\n", encoding="utf-8")
    (folder / ".gitignore").write_text("*\n", encoding="utf-8")


def _end_compute(workspace: Path, compute: str) -> None:
    """Have no process of an earlier demo in this workspace, also if one was interrupted a moment ago."""
    try:
        number = int((workspace / "compute" / compute / "supervisor.pid").read_text(encoding="ascii"))
        supervisor = psutil.Process(number)
        if any(word.endswith(f"={workspace}") for word in supervisor.cmdline()):
            supervisor.terminate()
            supervisor.wait(_STOP_SECONDS)
    except (OSError, ValueError, psutil.NoSuchProcess):
        return  # there is none any more


def _remove(folder: Path) -> None:
    # Snapshots are read-only, their folders too.
    for path in [folder, *(p for p in folder.rglob("*") if p.is_dir() and not p.is_symlink())]:
        path.chmod(0o700)
    shutil.rmtree(folder)
