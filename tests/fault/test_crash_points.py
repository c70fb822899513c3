"""SIGKILL at every named point, then again while it recovers: nothing is lost, doubled or torn, nothing is left."""

from __future__ import annotations

import ast
import os
import random
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import crashes
import pytest
from oracle import examine

import batchmagic
from batchmagic import failpoints
from batchmagic.workspace.migrations import MIGRATIONS
from batchmagic.workspace.store_file import APPLICATION_ID

if TYPE_CHECKING:
    from main_job_support import Lab

PACKAGE = Path(batchmagic.__file__).parent

# Struck in the process of the command, not in a job; tested below.
COMMANDS = {"submit.before_row", "submit.after_row", "resume.before_row"}
MIGRATION = {"migration.step", "migration.before_version"}
JOB = sorted(set(failpoints.POINTS) - COMMANDS - MIGRATION)
# How often a job of 60 mini-batches comes to a point at least; the others it comes to once in a process.
OFTEN = {
    "lease.before_send": 10,
    "lease.after_send": 10,
    "lease.returned": 8,
    "spool.mid_write": 3,
    "spool.before_sync": 4,
    "spool.after_sync": 4,
    "ledger.before_commit": 2,
    "ledger.mid_commit": 2,
    "ledger.after_commit": 2,
    "assemble.mid_write": 50,
}
# Before the first lease, or after the last commit: a crash there costs no second call of run().
DEEP = 3  # restarts that the supervisor forgives within its window
NOTHING_LEASED = ("plan.", "claim.", "ledger.begun", "end.", "assemble.")


def test_every_point_is_in_the_registry_and_in_the_code():
    called = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.hit":
                called.add(ast.literal_eval(node.args[0]))
    assert called == set(failpoints.POINTS)


@dataclass
class Target:
    """A compute and a deployment of its own for one test, so that it has a new supervisor."""

    lab: Lab
    name: str
    calls: Path

    def called(self):
        """Return how many files the script was called with since the last time."""
        count = len(self.calls.read_bytes().splitlines())
        self.calls.unlink()
        return count

    def command(self, *words, **variables):
        """Run the command line and return what became of it."""
        return subprocess.run(
            [sys.executable, "-m", "batchmagic", *words],
            cwd=self.lab.folder,
            env=os.environ | {"BATCHMAGIC_WORKSPACE": str(self.lab.root)} | variables,
            capture_output=True,
            check=False,
        )


@pytest.fixture
def target(lab):
    name = lab.new_folder("point").name
    lab.compute(name, idle=0)
    calls = lab.folder / f"calls-{name}"
    lab.deploy(name, crashes.SCRIPT.format(calls=str(calls)), compute=name, mini_batch_size=1)
    return Target(lab, name, calls)


def chains():
    """Return all points, so many together as the supervisor forgives; where no call is repeated, among themselves."""
    quiet = [point for point in JOB if point.startswith(NOTHING_LEASED)]
    for group in (quiet, [point for point in JOB if point not in quiet]):
        count = -(-len(group) // DEEP)
        yield from (group[start::count] for start in range(count))


@pytest.mark.parametrize("points", list(chains()), ids="-".join)
def test_killed_at_each_of(target, arm, points, tally):
    """Three kills of one job: a start of host and worker is what takes time."""
    lab = target.lab
    with arm.at_each(points) as strikes:
        job = lab.invoke(target.name, crashes.FILES)
        recovery = crashes.recoveries(lab, job, strikes)
    found = examine(lab, job, crashes.expected(), user_failures=0)
    tally.trial(kills=len(strikes.moments), recovery=recovery, **found.counts())
    judge(target, found, points, strikes, least=len(points))


@pytest.mark.nightly
@pytest.mark.parametrize("point", JOB)
def test_killed_at(target, arm, point, tally):
    """Up to three kills at one point, one after another, at the first visit and at a later one where there is one."""
    lab = target.lab
    later = [random.randint(2, OFTEN[point])] if point in OFTEN else []
    for number, nth in enumerate([1, *later]):
        compute = f"{target.name}-{number}"
        lab.compute(compute, idle=0)
        with arm(f"{point}@{nth}=kill", times=DEEP) as strikes:
            job = lab.invoke(target.name, crashes.FILES, compute=compute)
            recovery = crashes.recoveries(lab, job, strikes)
        found = examine(lab, job, crashes.expected(), user_failures=0)
        tally.trial(kills=len(strikes.moments), recovery=recovery, **found.counts())
        # What is done once is not done again after the kill, and few hosts come to a point as often as the first.
        judge(target, found, [point], strikes, least=1 if nth == 1 else 0)


def judge(target, found, points, strikes, *, least):
    reached = len(strikes.moments)
    assert reached >= least, f"{points}: {reached} kills, not {least}"
    assert found.ok, found
    called = target.called()
    if all(point.startswith(NOTHING_LEASED) for point in points):
        assert called == crashes.FILES, "scored again although it was committed, or never leased"


@pytest.mark.parametrize("point", ["submit.before_row", "submit.after_row"])
def test_an_invoke_killed(target, arm, point, tally):
    lab = target.lab
    data = lab.data(crashes.FILES)
    words = ("invoke", f"batch/{target.name}", "--input", str(data), "--job-name", target.name)
    with arm(f"{point}=kill") as strikes:
        done = target.command(*words)
    assert (done.returncode, len(strikes.moments)) == (-9, 1), done.stderr
    names = {job.name for job in lab.client.session.read().jobs.list(deployment=target.name)}
    assert names == ({target.name} if point == "submit.after_row" else set())
    if not names:
        assert target.command(*words).returncode == 0
    lab.client.jobs.wait(target.name)  # whoever looks at a queued job sees to a host
    found = examine(lab, target.name, crashes.expected(), user_failures=0)
    tally.trial(kills=1, **found.counts())
    assert found.ok, found


def test_a_resume_killed_before_its_row(target, arm, tally):
    lab, gate = target.lab, target.lab.gate()
    lab.deploy(target.name, gate.script(), compute=target.name, mini_batch_size=1)
    job = lab.invoke(target.name, 4)
    gate.wait_calls(1)
    lab.client.jobs.begin_cancel(job).result()
    gate.open()
    with arm("resume.before_row=kill") as strikes:
        done = target.command("job", "resume", job)
    assert (done.returncode, len(strikes.moments)) == (-9, 1), done.stderr
    assert (lab.status(job), lab.job(job).run) == ("Canceled", 1)
    lab.client.jobs.resume(job)
    lab.ended(job)
    found = examine(lab, job, b"".join(f"{n:03d}.csv\n".encode() for n in range(4)))
    tally.trial(kills=1, **found.counts())
    assert found.ok, found


STEPS = sum(len(steps) for _, steps in MIGRATIONS)


@pytest.mark.parametrize("nth", range(1, STEPS + 2))
def test_a_migration_killed_at_each_step(target, arm, nth, tally, tmp_path):
    folder = tmp_path / "old"
    folder.mkdir(mode=0o700)
    schema = Path(__file__).parents[1] / "workspace" / "schema_1.sql"
    with closing(sqlite3.connect(folder / "workspace.db")) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executescript(schema.read_text())
    old = schema_of(folder)
    point = f"migration.step@{nth}" if nth <= STEPS else "migration.before_version"
    with arm(f"{point}=kill") as strikes:
        done = target.command("job", "list", BATCHMAGIC_WORKSPACE=str(folder))
    assert (done.returncode, len(strikes.moments)) == (-9, 1), done.stderr
    between = schema_of(folder)
    done = target.command("job", "list", BATCHMAGIC_WORKSPACE=str(folder))
    new = schema_of(folder)
    tally.trial(kills=1, bad=between != old or new[0] != MIGRATIONS[-1][0])
    assert done.returncode == 0, done.stderr
    assert between == old
    assert new[0] == MIGRATIONS[-1][0]


def schema_of(folder):
    """Return the schema's number and all that it consists of."""
    with closing(sqlite3.connect(folder / "workspace.db")) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        return version, connection.execute("SELECT sql FROM sqlite_master ORDER BY name").fetchall()
