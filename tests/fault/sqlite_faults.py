"""SQLite's own loop: the n-th write, sync or truncation of the ledger fails, n = 1, 2, … until none does.

Run by `test_disk_sqlite` in a process of its own, with a JSON list of ``[journal, code, persistent, first, stride]``.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from ledger_work import LAST, Work, output, state, unreadable
from sqlite_vfs import FULL, IOERR_FSYNC, IOERR_WRITE, OK, Disk

from batchmagic.errors import DiskError

CODES = {
    "full": (FULL, ("write",)),
    "io": (IOERR_WRITE, ("write", "truncate")),
    "sync": (IOERR_FSYNC, ("sync",)),
}


class Fault:
    """Fails the n-th act of a kind, once or from then on."""

    def __init__(self, code: str, n: int, *, persistent: bool) -> None:
        self._code, self._kinds = CODES[code]
        self._left, self._persistent = n, persistent
        self.struck = 0

    def __call__(self, act) -> int:
        if act.kind not in self._kinds:
            return OK
        self._left -= 1
        if self._left == 0 or (self._left < 0 and self._persistent):
            self.struck += 1
            return self._code
        return OK


def undisturbed(journal: str) -> list[dict]:
    """Return the state after each step, without a fault."""
    with tempfile.TemporaryDirectory() as name:
        work = Work(_folder(name, journal))
        states = []
        for number in range(LAST + 1):
            work.step(number)
            states.append(state(work.ledger))
        work.close()
        return states


def _folder(name: str, journal: str) -> Path:
    folder = Path(name) / "jobs" / "one"
    folder.mkdir(parents=True)
    (Path(name) / "journal").write_text(f"{journal}\n")
    return folder


def trial(disk: Disk, fault: Fault, journal: str, states: list[dict]) -> list[str]:
    """Return what is wrong after one fault; `fault.struck` says whether there was one."""
    with tempfile.TemporaryDirectory() as name:
        folder = _folder(name, journal)
        return _struck(disk, fault, folder, states)


def _struck(disk: Disk, fault: Fault, folder: Path, states: list[dict]) -> list[str]:
    problems: list[str] = []
    work = None
    number = 0
    disk.judge = fault
    try:
        try:
            work = Work(folder)
            while number <= LAST:
                work.step(number)
                number += 1
        except DiskError as error:
            if str(folder / "ledger.db") not in str(error):
                problems.append(f"the error does not name the file: {error}")
    finally:
        disk.judge = lambda _act: OK
    empty = {**states[0], "progress": [0, 0], "commits": [], "failures": [], "groups": [], "columns": ()}
    if work is None:
        left = [p.name for p in folder.iterdir() if p.is_file()]
        return problems + ([f"half a ledger: {left}"] if left else [])
    if number <= LAST:
        problems += _after(work, number, [empty, *states])
    problems += [f"rows of {bad} are not there" for bad in unreadable(work.ledger, folder)]
    work.close()
    with closing(sqlite3.connect(folder / "ledger.db")) as connection:
        answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if answer != "ok":
        problems.append(answer)
    again = Work(folder, epoch=2)
    again.step(0)
    if again.finish() != output():
        problems.append("the output is wrong")
    again.close()
    return problems


def _after(work: Work, number: int, states: list[dict]) -> list[str]:
    """Look at a ledger whose step `number` failed: one legal state; and the same ledger goes on."""
    now = state(work.ledger)
    if now == states[number + 1]:
        number += 1
    elif now != states[number]:
        return [f"after step {number} failed the ledger is between two states: {now}"]
    while number <= LAST:
        work.step(number)
        number += 1
    return (
        [] if state(work.ledger) == states[-1] else [f"it did not go on as it should: {state(work.ledger)}"]
    )


def main(campaigns: list) -> None:
    """Run the campaigns and print trials and problems."""
    disk = Disk()
    trials, problems = 0, []
    for journal, code, persistent, first, stride in campaigns:
        states = undisturbed(journal)
        n, struck = first, True
        while struck:
            fault = Fault(code, n, persistent=persistent)
            found = trial(disk, fault, journal, states)
            problems += [f"{journal} {code} {n} persistent={persistent}: {problem}" for problem in found]
            struck = bool(fault.struck)
            trials += struck
            n += stride
    print(json.dumps({"trials": trials, "problems": problems}))


if __name__ == "__main__":
    shutil.disk_usage(tempfile.gettempdir())
    main(json.loads(sys.argv[1]))
