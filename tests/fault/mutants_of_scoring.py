"""Mutants of the engine: spool, assembly, plan, decisions."""

from __future__ import annotations

from mutant import DECISIONS, JOB, OUTPUT, SIMULATION, Mutant


def _spool(name: str, old: str, new: str, test: str, why: str, *, file: str = "segments") -> Mutant:
    return Mutant(name, f"scoring/{file}.py", old, new, (test,), why)


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

ENDS = (
    Mutant(
        "a lease that was cut and given up keeps its slot",
        "scoring/instance.py",
        "        slot.abandon()\n        with self._slot_free:\n            self._give_back(slot)\n",
        "        slot.abandon()\n",
        ("tests/engine/test_instance.py::test_a_lease_that_was_cut_and_given_up_leaves_its_slot_to_others",),
        "an instance stalls after lost replies",
        nightly=True,
    ),
    Mutant(
        "damaged rows are scored again without limit",
        "scoring/ending.py",
        "if self._damaged > MAX_DAMAGED:",
        "if False:",
        ("tests/engine/test_ending.py::test_rows_that_are_damaged_whenever_they_are_scored_end_the_job",),
        "a job on a broken disk never ends",
    ),
)

SLOT = Mutant(
    "a slot replies before its rows are durable",
    "scoring/slot.py",
    "            self._sink.sync()\n        except (DiskError",
    "            pass\n        except (DiskError",
    ("tests/fault/test_crash_points.py::test_killed_at[spool.before_sync]",),
    "the ledger names rows that are nowhere yet",
    nightly=True,
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
        "return (job_folder / FOLDER / ABOUT).exists()",
        "return False",
        ("tests/engine/test_plan.py::test_what_happens_in_the_folder_later_changes_nothing",),
        "rows belong to other files after a resume",
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
        "        if False:\n",
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
