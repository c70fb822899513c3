"""Power loss under a driver's work: what was synced is there afterwards, of the rest anything may be.

Run by `test_disk_power` in a process of its own, with the journal mode, the number of losses and a seed. Everything
that is written to the ledger, its log or journal and the segments is recorded. For a loss, the files are made anew
from the record up to one moment: all that was synced before it, and of later writes a random choice, each whole, cut
off, or not there. A name in a folder that was not synced may be gone too.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import sys
import tempfile
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from ledger_work import LAST, Work, output, state, unreadable
from sqlite_vfs import OK, Act, Disk

from batchmagic.scoring import plan, segments

SECTOR = 512


class Recorder:
    """All acts in order, with marks where a step has returned; also stands for `os` in the module of the segments."""

    def __init__(self) -> None:
        self.acts: list[Act] = []
        self._open: dict[int, list] = {}
        self._folders: dict[int, str] = {}

    def judge(self, act: Act) -> int:
        self.acts.append(act)
        return OK

    def mark(self, step: int) -> None:
        self.acts.append(Act("mark", "", step))

    def __getattr__(self, name: str):
        return getattr(os, name)

    def open(self, path, flags, mode=0o777):
        descriptor = os.open(path, flags, mode)
        if flags & os.O_CREAT:
            self._open[descriptor] = [str(path), 0]
            self.acts.append(Act("create", str(path)))
        else:
            self._folders[descriptor] = str(path)
        return descriptor

    def write(self, descriptor, data):
        count = os.write(descriptor, data)
        path, offset = self._open[descriptor]
        self.acts.append(Act("write", path, offset, bytes(data[:count])))
        self._open[descriptor][1] += count
        return count

    def fdatasync(self, descriptor):
        os.fdatasync(descriptor)
        self.acts.append(Act("sync", self._open[descriptor][0]))

    def fsync(self, descriptor):
        os.fsync(descriptor)
        self.acts.append(Act("sync names", self._folders[descriptor]))

    def close(self, descriptor):
        self._open.pop(descriptor, None)
        self._folders.pop(descriptor, None)
        os.close(descriptor)


def after_loss(base: dict[str, bytes], acts: list[Act], dice: random.Random) -> dict[str, bytes]:
    """Return the files that the disk holds after a loss of power at the end of `acts`."""
    durable = {path: bytearray(content) for path, content in base.items()}
    pending: dict[str, list[Act]] = defaultdict(list)
    unnamed: set[str] = set()
    for act in acts:
        if act.kind == "sync":
            for earlier in pending.pop(act.path, []):
                _apply(durable, earlier)
            durable.setdefault(act.path, bytearray())
        elif act.kind == "sync names":
            unnamed = {path for path in unnamed if str(Path(path).parent) != act.path}
        elif act.kind == "delete":
            # SQLite syncs the folder after it has deleted a journal.
            durable.pop(act.path, None)
            pending.pop(act.path, None)
        elif act.kind != "mark":
            if act.kind == "create":
                unnamed.add(act.path)
            pending[act.path].append(act)
    for path, rest in pending.items():
        durable.setdefault(path, bytearray())
        for act in rest:
            _perhaps(durable, act, dice)
    return {path: bytes(data) for path, data in durable.items() if path not in unnamed or dice.random() < 0.5}


def _perhaps(files: dict[str, bytearray], act: Act, dice: random.Random) -> None:
    """Do an act that was not synced, or a part of it, or nothing."""
    fate = dice.random()
    if fate < 0.4:
        _apply(files, act)
    elif fate < 0.6 and act.kind == "write":
        cut = dice.randrange(0, len(act.data) + 1, SECTOR) if len(act.data) > SECTOR else 0
        _apply(files, Act("write", act.path, act.offset, act.data[:cut]))


def _apply(files: dict[str, bytearray], act: Act) -> None:
    file = files.setdefault(act.path, bytearray())
    if act.kind == "truncate":
        del file[act.offset :]
    elif act.kind == "write":
        if len(file) < act.offset:
            file.extend(bytes(act.offset - len(file)))
        file[act.offset : act.offset + len(act.data)] = act.data


def record(name: str, journal: str) -> tuple[Path, dict[str, bytes], list[Act], list[dict]]:
    """Do the work once; return the folder, its files at the beginning, all acts, and the states between the steps."""
    folder = Path(name) / "jobs" / "one"
    folder.mkdir(parents=True)
    (Path(name) / "journal").write_text(f"{journal}\n")
    recorder = Recorder()
    disk = Disk()
    work = Work(folder)
    work.ledger.close()
    base = {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    states = [state(work.ledger)]
    segments.os = plan.os = recorder
    disk.judge = recorder.judge
    for number in range(LAST + 1):
        work.step(number)
        recorder.mark(number + 1)
        states.append(state(work.ledger))
    segments.os = plan.os = os
    disk.judge = lambda _act: OK
    work.close()
    return folder, base, recorder.acts, states


def trial(folder: Path, files: dict[str, bytes], done: int, states: list[dict]) -> list[str]:
    """Return what is wrong with the files that a loss has left, after step `done` had returned."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name) / "jobs" / "one"
        (copy / "spool").mkdir(parents=True)
        (Path(name) / "journal").write_text((folder.parents[1] / "journal").read_text())
        for path, content in files.items():
            (copy / Path(path).relative_to(folder)).write_bytes(content)
        return _examined(copy, done, states)


def _examined(copy: Path, done: int, states: list[dict]) -> list[str]:
    work = Work(copy, epoch=2)
    problems = []
    with closing(sqlite3.connect(copy / "ledger.db")) as connection:
        answer = connection.execute("PRAGMA integrity_check").fetchone()[0]
    if answer != "ok":
        problems.append(answer)
    now = state(work.ledger)
    if now not in states[done : done + 2]:
        which = states.index(now) if now in states else None
        problems.append(f"after step {done} the ledger has the state of {which}")
    bad = unreadable(work.ledger, copy)
    if bad:
        problems.append(f"the ledger names rows of {bad} that are not there")
    work.step(0)
    if work.finish() != output():
        problems.append("the output is wrong")
    work.close()
    return problems


def main(journal: str, trials: int, seed: int) -> None:
    """Lose the power so often and print the problems."""
    dice = random.Random(seed)
    problems = []
    with tempfile.TemporaryDirectory() as name:
        folder, base, acts, states = record(name, journal)
        for _ in range(trials):
            moment = dice.randrange(1, len(acts) + 1)
            past = acts[:moment]
            done = max((act.offset for act in past if act.kind == "mark"), default=0)
            found = trial(folder, after_loss(base, past, dice), done, states)
            problems += [f"seed {seed}, act {moment} of {len(acts)}: {problem}" for problem in found]
    print(json.dumps({"trials": trials, "problems": problems}))


if __name__ == "__main__":
    main(*(json.loads(argument) for argument in sys.argv[1:]))
