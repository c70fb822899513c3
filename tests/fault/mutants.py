"""The mutants: code that is broken on purpose in one place, each with the tests that must notice.

They are what keeps the tests honest. A mutant that lives means that a test is too weak; one whose text is not found any
more has to follow the code.
"""

from __future__ import annotations

from dataclasses import dataclass

# One part in ten, or in five, of what the push tier tries.
SIMULATION = "tests/fault/test_simulation.py::test_whatever_happens_each_mini_batch_comes_to_one_end_and_the_verdict_is_right[0]"
STORE = "tests/fault/test_stateful_store.py::test_the_store_is_a_dictionary_with_rules_whatever_is_called[0]"
REAL_LEDGER = "tests/fault/test_simulation.py::test_a_real_ledger_comes_to_the_same"
JOB = "tests/fault/test_stateful_job.py::test_every_good_file_has_its_row_once_whatever_happened_before[0]"
OUTPUT = "tests/engine/test_output.py"
DECISIONS = "tests/engine/test_decisions.py"
CLAIMS = "tests/workspace/test_claims.py"


@dataclass(frozen=True)
class Mutant:
    """One change to one file.

    Attributes
    ----------
    file
        Below ``batchmagic/``.
    old, new
        What is replaced; `old` must be there exactly once.
    tests
        Files, or single tests, of which one must fail.
    why
        What would happen to a person's job.
    nightly
        Whether its tests take too long for each push.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    why: str
    nightly: bool = False


def _spool(name: str, old: str, new: str, test: str, why: str, *, file: str = "segments") -> Mutant:
    return Mutant(name, f"scoring/{file}.py", old, new, (test,), why)


def _ledger(name: str, old: str, new: str, test: str, why: str) -> Mutant:
    return Mutant(name, "workspace/ledger.py", old, new, (test,), why)


def _claims(name: str, old: str, new: str, test: str, why: str) -> Mutant:
    return Mutant(name, "workspace/claims.py", old, new, (test,), why)


def _decisions(name: str, old: str, new: str, why: str, test: str = SIMULATION) -> Mutant:
    return Mutant(name, "scoring/decisions.py", old, new, (test,), why)


SPOOL = (
    _spool(
        "segments are opened again",
        "os.O_CREAT | os.O_EXCL |",
        "os.O_CREAT |",
        JOB,
        "a replaced worker overwrites the rows of the one before it",
    ),
    _spool(
        "rows stay in the buffer",
        "        with self._giving_up():\n            self._flush()\n            failpoints",
        "        with self._giving_up():\n            failpoints",
        JOB,
        "the ledger names rows that a crash loses",
    ),
    _spool(
        "rows are not synced",
        "            os.fdatasync(self._descriptor)\n",
        "",
        f"{OUTPUT}::test_sync_brings_every_byte_to_the_disk",
        "the ledger names rows that a loss of power loses",
    ),
    _spool(
        "a place is off by one",
        "return self._name, self._start, self._offset",
        "return self._name, self._start + 1, self._offset",
        JOB,
        "each mini-batch's rows begin in the middle",
    ),
    _spool(
        "checksums are not compared",
        "if (size, found) != (length, crc):",
        "if size != length:",
        JOB,
        "damaged rows reach the output",
        file="assemble",
    ),
    _spool(
        "short rows pass",
        "if (size, found) != (length, crc):",
        "if found != crc:",
        f"{OUTPUT}::test_a_segment_that_was_cut_is_damaged_whatever_its_checksum",
        "the end of a segment is missing in the output",
        file="assemble",
    ),
    _spool(
        "segments of later claims are swept away",
        'int(found["epoch"]) < epoch and path.name not in named',
        'int(found["epoch"]) < epoch',
        f"{OUTPUT}::test_what_earlier_drivers_left_goes_but_for_what_the_ledger_names",
        "a resume removes the rows that an earlier run has committed",
        file="spool",
    ),
)

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
        REAL_LEDGER,
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

ASSEMBLY = (
    Mutant(
        "rows go straight to the output",
        "scoring/own_files.py",
        'return target.with_name(f".{target.name}.{self.epoch}.tmp")',
        "return target",
        (f"{OUTPUT}::test_damaged_rows_are_named_and_the_earlier_output_stays",),
        "a crash leaves half an output, and the one before is gone",
    ),
    Mutant(
        "an output that is not whole is published",
        "scoring/assemble.py",
        "            if not damaged:\n",
        "            if True:\n",
        (f"{OUTPUT}::test_damaged_rows_are_named_and_the_earlier_output_stays",),
        "an output without some rows looks like a good one",
    ),
    Mutant(
        "an output is published without the claim",
        "scoring/own_files.py",
        "        with self.fence():\n            self.temporary(target).replace(target)",
        "        self.temporary(target).replace(target)",
        (JOB,),
        "a driver that lost its job replaces the output of the one that has it",
    ),
    Mutant(
        "the input is listed again at a resume",
        "scoring/plan.py",
        "return (job_folder / _FOLDER / _ABOUT).exists()",
        "return False",
        ("tests/engine/test_plan.py::test_what_happens_in_the_folder_later_changes_nothing",),
        "rows belong to other files after a resume",
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
        "            if earlier is not None:\n                return self._repeated(earlier, request)\n",
        "",
        (STORE,),
        "a repeated request runs the job twice",
    ),
)

RETRIES = (
    _decisions(
        "a lost worker counts as the script's failure",
        "            blame.losses += 1\n",
        "            blame.failures += 1\n",
        "deaths of workers use up the retries",
    ),
    _decisions(
        "one retry too few",
        "if blame.failures <= retries:",
        "if blame.failures < retries:",
        "files fail that would have succeeded",
    ),
    _decisions(
        "one retry too many",
        "if blame.failures <= retries:",
        "if blame.failures <= retries + 1:",
        "max_retries is not what it says",
    ),
    _decisions(
        "a late twin counts",
        "found = self._leases.pop(number, None)",
        "found = self._leases.get(number)",
        "rows are there twice",
    ),
    _decisions(
        "a late twin of a lease that was cut counts",
        "if out is not None and told_of != len(out[0].members):",
        "if out is None:",
        "rows are there twice",
        f"{DECISIONS}::test_a_lease_that_is_cut_goes_on_with_the_member_that_takes_long",
    ),
    _decisions(
        "a retired instance proves something",
        "        if event.in_order:\n",
        "        if not event.others_lived and not event.in_order and False:\n",
        "scaling down makes files fail",
    ),
    _decisions(
        "a lost lease is not sent again",
        "                self._blame.setdefault(member.key, _Blame())\n                self._alone.append(member)",
        "                self._blame.setdefault(member.key, _Blame())",
        "rows are lost",
    ),
    _decisions(
        "a lone mini-batch is blamed before it began",
        "if event.begun and event.others_lived:",
        "if event.others_lived:",
        "retired workers make files fail",
    ),
    _decisions(
        "a retry is forgotten",
        "            self._alone.append(replace(member, attempt=member.attempt + 1))\n",
        "",
        "rows are lost",
    ),
    _decisions(
        "what is given back is forgotten",
        "            self._pending.give_back(member.mini_batch)",
        "            pass",
        "rows are lost",
    ),
    _decisions(
        "the end is ignored",
        "        if self.stopped:\n            return []\n        stop = self._verdict()",
        "        stop = self._verdict()",
        "a canceled job goes on",
    ),
    _decisions(
        "the threshold itself is too many",
        "0 <= threshold < self._failed_files",
        "0 <= threshold <= self._failed_files",
        "a job fails that should complete",
        "tests/engine/test_error_threshold.py",
    ),
    _decisions(
        "a bad file costs its neighbours",
        "failed = 1 if member.part else files",
        "failed = files",
        "isolate_failures does not isolate",
    ),
    _decisions(
        "an excluded instance gets leases",
        "if not i.excluded}",
        "}",
        "a job hangs at an instance on which nothing works",
    ),
    _decisions(
        "three leases per slot",
        "if i.leases < LEASES_PER_SLOT * i.slots",
        "if i.leases < (LEASES_PER_SLOT + 1) * i.slots",
        "a death costs more work than it must",
    ),
    _decisions(
        "leases of a lost instance count for its successor",
        "        found[1].leases -= 1\n",
        "        if found[0].instance in self._instances:\n            self._instances[found[0].instance].leases -= 1\n",
        "more leases are out than there should be",
    ),
    _decisions(
        "an earlier success is forgotten",
        "self._any_success = any_success",
        "self._any_success = False",
        "a job fails because its host was replaced",
    ),
    Mutant(
        "leases take what is not in a row",
        "scoring/pending.py",
        "        middle = min(stop, start + count)\n",
        "        if self._size > count > stop - start:\n"
        "            return [n for first, end in [self._ranges.pop(0), self._ranges.pop(0)] for n in range(first, end)]\n"
        "        middle = min(stop, start + count)\n",
        (SIMULATION,),
        "rows belong to other files",
    ),
    Mutant(
        "leases grow without measure",
        "scoring/sizing.py",
        "MAX_MEMBERS, _GROWTH * self._last)",
        "MAX_MEMBERS, 100 * self._last)",
        (SIMULATION,),
        "one death costs minutes of work",
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

MUTANTS = (*SPOOL, *LEDGER, *ASSEMBLY, *CLAIM_MUTANTS, *RETRIES, *OTHERS)
