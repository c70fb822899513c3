"""A driver that is killed while SQLite writes a transaction into the ledger itself, its rollback journal complete."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from ledger_work import Work
from sqlite_vfs import OK, Act, Disk


def _kill(act: Act) -> int:
    if act.kind == "sync" and act.path.endswith("ledger.db"):
        os.kill(os.getpid(), signal.SIGKILL)
    return OK


if __name__ == "__main__":
    disk = Disk()
    work = Work(Path(sys.argv[1]))
    work.step(0)
    work.step(1)
    disk.judge = _kill
    work.step(2)
