"""Mutants of what is kept: ledger, claims, jobs, processes, names."""

from __future__ import annotations

from mutant import JOB, OUTPUT, STORE, Mutant


def _ledger(name: str, old: str, new: str, test: str, why: str) -> Mutant:
    return Mutant(name, "workspace/ledger.py", old, new, (test,), why)


def _claims(name: str, old: str, new: str, test: str, why: str) -> Mutant:
    return Mutant(name, "workspace/claims.py", old, new, (test,), why)


LEDGER = (
    _ledger(
        "a commit is not fenced",
        "            self._check(connection, epoch)\n            if self._in_doubt:",
        "            if self._in_doubt:",
        JOB,
        "a driver that was stopped and continued writes into the next one's job",
    ),
    _ledger(
        "a commit is two transactions",
        '            failpoints.hit("ledger.mid_commit")\n            counters',
        '        failpoints.hit("ledger.mid_commit")\n        with self._database.write() as connection:\n            counters',
        f"{OUTPUT}::test_a_commit_that_fails_in_its_middle_leaves_nothing",
        "after a crash the counters do not belong to the rows",
    ),
    _ledger(
        "the counters are written first",
        "        with self._database.write() as connection:\n            self._check(connection, epoch)\n            if self._in_doubt:",
        "        with self._database.write() as connection:\n            connection.execute(update(t.progress).values(completed=progress.completed))\n"
        "        with self._database.write() as connection:\n            self._check(connection, epoch)\n            if self._in_doubt:",
        f"{OUTPUT}::test_a_commit_that_fails_in_its_middle_leaves_nothing",
        "progress shows what is not committed",
    ),
    _ledger(
        "a second commit replaces the first",
        'f"INSERT INTO commits',
        'f"INSERT OR REPLACE INTO commits',
        f"{OUTPUT}::test_a_commit_is_all_or_nothing",
        "whoever is late wins, in silence",
    ),
    _ledger(
        "halves of a mini-batch are kept",
        "        unfinished = [mini_batch for mini_batch, count in counts if count < files_in(mini_batch)]",
        "        unfinished = []",
        JOB,
        "after a crash some files of a mini-batch are in the output twice, or never",
    ),
    _ledger(
        "only the damaged file is taken back",
        "            for mini_batch in {mini_batch for mini_batch, _ in keys}:\n                connection.execute(t.commits.delete().where(t.commits.c.mini_batch == mini_batch))",
        "            for mini_batch, part in keys:\n                connection.execute(t.commits.delete().where((t.commits.c.mini_batch == mini_batch) & (t.commits.c.part == part)))",
        f"{OUTPUT}::test_with_one_file_s_rows_the_whole_mini_batch_is_taken_back",
        "rows that were damaged are missing in the output",
    ),
    _ledger(
        "an old claim begins a run",
        "                self._check(connection, epoch)\n                check_plan",
        "                check_plan",
        JOB,
        "two drivers take the job from each other for ever",
    ),
    _ledger(
        "failures are redone by every host",
        "if new and redo_failed:",
        "if redo_failed:",
        JOB,
        "a job that is redone never ends where its host dies now and then",
    ),
    _ledger(
        "files of a mini-batch in the wrong order",
        "select(t.commits).where(after).order_by(c.mini_batch, c.part)",
        "select(t.commits).where(after).order_by(c.mini_batch, c.part.desc())",
        f"{OUTPUT}::test_rows_stand_in_the_order_of_the_input_whatever_the_workers_did",
        "the output is not the same every time",
    ),
)

CLAIM_MUTANTS = (
    _claims(
        "the epoch does not rise",
        "epoch = 1 if row is None else row.epoch + 1",
        "epoch = 1 if row is None else row.epoch",
        STORE,
        "the owner before is not told that it lost the job",
    ),
    _claims(
        "force does not fence",
        "epoch = 1 if row is None else row.epoch + 1",
        "epoch = 1 if row is None else row.epoch + (not force)",
        STORE,
        "two hosts write to one job",
    ),
    _claims(
        "a live owner is robbed",
        "if row is not None and row.held and not force:",
        "if row is not None and row.held and force:",
        STORE,
        "whoever comes last has the compute",
    ),
    _claims(
        "anybody releases",
        "update(claims).where(*_ours(claim)).values(held=False)",
        "update(claims).where(claims.c.resource == claim.resource).values(held=False)",
        STORE,
        "a host that comes to itself sets free what the next one has",
    ),
    _claims(
        "a former owner goes on",
        "        if done.rowcount == 0:\n            raise _fenced(claim)",
        "        if done.rowcount == 0:\n            return",
        STORE,
        "two hosts run one compute",
    ),
    _claims(
        "the wall clock decides",
        "return now - since < SILENCE_SECONDS",
        "return time.time() - row.acquired_at < SILENCE_SECONDS",
        STORE,
        "a changed clock takes a live host's jobs away",
    ),
    Mutant(
        "a process is its number",
        "workspace/identity.py",
        "return _start_time(identity.pid) == identity.start_time",
        "return _start_time(identity.pid) is not None",
        (STORE,),
        "a stranger with the number of a dead host keeps its jobs for ever",
    ),
    Mutant(
        "a job's row is written without the claim",
        "workspace/jobs.py",
        "    if claim is not None:\n        ClaimStore.check(connection, claim)\n",
        "",
        (STORE,),
        "a driver that lost its job says how it ended",
    ),
    Mutant(
        "any state follows any other",
        "workspace/jobs.py",
        "update(jobs).where(jobs.c.seq == row.seq, jobs.c.status.in_(allowed)).values(**values)",
        "update(jobs).where(jobs.c.seq == row.seq).values(**values)",
        (STORE,),
        "a canceled job completes",
    ),
    Mutant(
        "a key is taken for new",
        "workspace/jobs.py",
        "            if earlier is not None:\n                return self._record(earlier)\n",
        "",
        ("tests/workspace/test_job_store.py::test_the_same_request_twice_is_one_job",),
        "a repeated request runs the job twice",
    ),
    Mutant(
        "a change of state is not noted",
        "workspace/jobs.py",
        "            job_events.note(connection, row, new, detail=detail, claim=claim)\n",
        "",
        (STORE,),
        "nobody can tell afterwards what happened to a job",
    ),
    Mutant(
        "a job that runs is resumed",
        "workspace/jobs.py",
        "            rows.check_new_run(self._record(row), after=after)\n",
        "",
        (STORE,),
        "one job is run twice at the same time",
    ),
)

OTHERS = (
    Mutant(
        "a path is compared as text",
        "names.py",
        "if not joined.resolve().is_relative_to(base.resolve()):",
        "if not str(joined.resolve()).startswith(str(base.resolve())):",
        ("tests/workspace/test_safe_join.py",),
        "a name leads out of the workspace",
    ),
    Mutant(
        "old deaths are remembered for ever",
        "host/supervisor.py",
        "WINDOW_SECONDS = 600.0",
        "WINDOW_SECONDS = 6e9",
        ("tests/host/test_supervisor.py::test_old_deaths_are_forgotten",),
        "a host that dies once a month is given up in the fourth",
    ),
    Mutant(
        "a host is started for ever",
        "host/supervisor.py",
        "RESTARTS = 3",
        "RESTARTS = 3000",
        ("tests/host/test_supervisor.py::test_host_that_dies_the_fourth_time_is_given_up",),
        "a job that kills its host never ends",
        nightly=True,
    ),
)
