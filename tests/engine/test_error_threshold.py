"""The verdict by failed files, over all small cases, against arithmetic."""

from __future__ import annotations

import itertools

import pytest

from batchmagic.entities.settings import Settings
from batchmagic.scoring.decisions import Decisions
from batchmagic.scoring.events import Attempt, InstanceUp, Kind, LeaseReturned, Outcome, Record, Send, Stop
from batchmagic.scoring.pending import Pending


def scored(files, bad, settings):
    """Score mini-batches of that many files each, of which `bad` fail; return verdict and failed files."""
    decisions = Decisions(settings, Pending([(0, len(files))]), files.__getitem__)
    commands = decisions.handle(InstanceUp("i0", 1))
    failed = 0
    while commands:
        command = commands.pop(0)
        if isinstance(command, Stop):
            return command, failed
        if isinstance(command, Record):
            failed += command.failed_files
        elif isinstance(command, Send):
            attempts = tuple(
                Attempt(member=m, kind=Kind.ERROR if fails(m, files, bad) else Kind.OK, error={})
                for m in command.lease.members
            )
            commands += decisions.handle(LeaseReturned(command.lease.number, attempts))
    raise AssertionError("no verdict")


def fails(member, files, bad):
    numbers = [member.part] if member.part else range(1, files[member.mini_batch] + 1)
    return any((member.mini_batch, number) in bad for number in numbers)


@pytest.mark.parametrize("isolate", [False, True])
@pytest.mark.parametrize("files", [(1,), (2,), (1, 1, 1, 1), (2, 2), (2, 1), (3, 2)])
def test_a_job_fails_exactly_when_more_files_have_failed_than_the_threshold_allows(files, isolate):
    everything = [(m, n + 1) for m, count in enumerate(files) for n in range(count)]
    for count in range(len(everything) + 1):
        for bad in map(set, itertools.combinations(everything, count)):
            for threshold, retries in itertools.product((None, -1, 0, 1, 2, 3, 4), (0, 1, 3)):
                settings = Settings(
                    mini_batch_size=max(files),
                    error_threshold=threshold,
                    max_retries=retries,
                    isolate_failures=isolate,
                )
                stop, failed = scored(files, bad, settings)
                wrong = {m for m, _ in bad}
                expected = len(bad) if isolate else sum(files[m] for m in wrong)
                good = len(everything) > expected
                over = threshold is not None and 0 <= threshold < expected
                case = (files, bad, threshold, retries, stop)
                assert stop.outcome is (Outcome.COMPLETED if good and not over else Outcome.FAILED), case
                assert (stop.reason == "error_threshold") is over, case
                assert failed == expected or over, case
                assert failed <= expected, case
