"""The driver's decisions, event by event."""

from __future__ import annotations

import pytest

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.settings import Settings
from batchmagic.scoring.decisions import MAX_LONELY_LOSSES, MAX_WORKER_LOSSES, Decisions
from batchmagic.scoring.events import (
    Attempt,
    CancelRequested,
    Exclude,
    InitFailed,
    InstanceDown,
    InstanceUp,
    Kind,
    Lease,
    LeaseLost,
    LeaseReturned,
    Outcome,
    Record,
    Send,
    Stop,
)
from batchmagic.scoring.pending import Pending

ERROR = {"type": "ValueError", "message": "bad", "phase": "run"}


class Run:
    """Decisions with a fake fleet: what is sent is answered by a rule."""

    def __init__(self, count: int, files: int = 1, *, any_success: bool = False, **settings):
        self.decisions = Decisions(
            Settings(**settings), Pending([(0, count)]), lambda _: files, any_success=any_success
        )
        self.sent: list[Lease] = []
        self.records: list[Record] = []
        self.stop: Stop | None = None
        self.excluded: list[str] = []

    def handle(self, event):
        for command in self.decisions.handle(event):
            if isinstance(command, Send):
                self.sent.append(command.lease)
            elif isinstance(command, Record):
                self.records.append(command)
            elif isinstance(command, Exclude):
                self.excluded.append(command.instance)
            else:
                assert self.stop is None, "a run stops once"
                self.stop = command
        return self

    def answer(self, rule):
        """Answer leases, oldest first, until nothing is out. `rule(member)` gives the kind of the attempt."""
        while self.sent and self.stop is None:
            lease = self.sent.pop(0)
            attempts = tuple(attempt(m, rule(m)) for m in lease.members)
            self.handle(LeaseReturned(lease.number, attempts))
        return self

    def final(self):
        return {r.attempt.member.key: r.attempt.kind for r in self.records if r.final}


def attempt(member, kind):
    error = None if kind is Kind.OK else ERROR
    return Attempt(member=member, kind=kind, seconds=0.001, rows=1, error=error)


def test_every_mini_batch_is_recorded_once_and_the_job_completes():
    run = Run(500).handle(InstanceUp("i0", 2)).handle(InstanceUp("i1", 2)).answer(lambda _: Kind.OK)
    assert run.stop.outcome is Outcome.COMPLETED
    assert sorted(r.attempt.member.mini_batch for r in run.records) == list(range(500))


def test_two_leases_per_slot_are_out_and_no_more():
    run = Run(500).handle(InstanceUp("i0", 3))
    assert len(run.sent) == 6
    assert {lease.instance for lease in run.sent} == {"i0"}


def test_leases_grow_with_tiny_mini_batches_and_shrink_near_the_end():
    run = Run(100_000).handle(InstanceUp("i0", 2))
    sizes = []
    while run.sent:
        lease = run.sent.pop(0)
        sizes.append(len(lease.members))
        run.handle(LeaseReturned(lease.number, tuple(attempt(m, Kind.OK) for m in lease.members)))
    assert sizes[:4] == [1, 1, 1, 1]
    assert max(sizes) == 200  # 0.2 s of 1 ms each
    assert sizes[-1] <= 20
    assert all(b <= 4 * max(sizes[: i + 1]) for i, b in enumerate(sizes[1:]))


def test_slow_mini_batches_travel_alone():
    run = Run(50).handle(InstanceUp("i0", 1))
    while run.sent:
        lease = run.sent.pop(0)
        assert lease.is_lone
        run.handle(
            LeaseReturned(lease.number, (Attempt(member=lease.members[0], kind=Kind.OK, seconds=5.0),))
        )
    assert run.stop.outcome is Outcome.COMPLETED


def test_a_failing_mini_batch_has_one_attempt_and_max_retries_more():
    run = Run(20, files=2, max_retries=2).handle(InstanceUp("i0", 2))
    run.answer(lambda m: Kind.ERROR if m.mini_batch == 7 else Kind.OK)
    seven = [r for r in run.records if r.attempt.member.mini_batch == 7]
    assert [r.attempt.member.attempt for r in seven] == [1, 2, 3]
    assert [r.final for r in seven] == [False, False, True]
    assert seven[-1].failed_files == 2
    assert run.stop.outcome is Outcome.COMPLETED


def test_a_retry_that_succeeds_leaves_no_failure():
    run = Run(5).handle(InstanceUp("i0", 1))
    run.answer(lambda m: Kind.TIMEOUT if m.mini_batch == 3 and m.attempt == 1 else Kind.OK)
    assert set(run.final().values()) == {Kind.OK}


@pytest.mark.parametrize(("failures", "threshold", "outcome"), [
    (3, 3, Outcome.COMPLETED), (4, 3, Outcome.FAILED), (2, 3, Outcome.COMPLETED),
    (1, 0, Outcome.FAILED), (0, 0, Outcome.COMPLETED), (15, -1, Outcome.COMPLETED),
])  # fmt: skip
def test_error_threshold_counts_failed_files(failures, threshold, outcome):
    run = Run(20, max_retries=0, error_threshold=threshold).handle(InstanceUp("i0", 1))
    run.answer(lambda m: Kind.ERROR if m.mini_batch < failures else Kind.OK)
    assert run.stop.outcome is outcome
    assert run.stop.reason == ("done" if outcome is Outcome.COMPLETED else "error_threshold")


def test_nothing_succeeds_at_first_is_systematic_unless_a_threshold_or_no_fail_fast_is_given():
    fast = Run(100, max_retries=0).handle(InstanceUp("i0", 1)).answer(lambda _: Kind.ERROR)
    assert (fast.stop.reason, len(fast.final())) == ("systematic", 10)
    assert fast.stop.error == {**ERROR, "mini_batch": 9, "part": 0, "instance": "", "slot": 0}
    for settings in ({"error_threshold": -1}, {"fail_fast": False}):
        slow = Run(100, max_retries=0, **settings).handle(InstanceUp("i0", 1)).answer(lambda _: Kind.ERROR)
        assert (slow.stop.reason, len(slow.final())) == ("no_success", 100)


def test_a_resumed_job_with_earlier_success_is_not_systematic():
    run = Run(15, max_retries=0, any_success=True).handle(InstanceUp("i0", 1)).answer(lambda _: Kind.ERROR)
    assert run.stop.outcome is Outcome.COMPLETED


def test_no_success_fails_only_where_rows_are_kept():
    summary = BatchDeploymentOutputAction.SUMMARY_ONLY
    run = (
        Run(3, max_retries=0, output_action=summary).handle(InstanceUp("i0", 1)).answer(lambda _: Kind.ERROR)
    )
    assert run.stop.outcome is Outcome.COMPLETED


def test_a_lost_lease_blames_nobody_and_its_members_go_out_one_by_one():
    run = Run(400).handle(InstanceUp("i0", 1))
    while len(run.sent[-1].members) < 10:
        lease = run.sent.pop(0)
        run.handle(LeaseReturned(lease.number, tuple(attempt(m, Kind.OK) for m in lease.members)))
    lost = run.sent.pop()
    run.handle(InstanceDown("i0")).handle(LeaseLost(lost.number)).handle(InstanceUp("i0", 1))
    again = [lease for lease in run.sent if lease.number > lost.number]
    assert all(lease.is_lone for lease in again)
    assert again[0].members[0] == lost.members[0]
    assert again[0].members[0].attempt == 1
    run.answer(lambda _: Kind.OK)
    assert run.stop.outcome is Outcome.COMPLETED
    assert sorted(run.final()) == [(i, 0) for i in range(400)]


@pytest.mark.parametrize(("event", "limit"), [
    ({"begun": True, "others_lived": True}, MAX_WORKER_LOSSES),
    ({"begun": True, "others_lived": False}, MAX_LONELY_LOSSES),
])  # fmt: skip
def test_only_the_loss_of_a_lone_mini_batch_counts_up_to_its_own_limit(event, limit):
    run = Run(1, max_retries=0).handle(InstanceUp("i0", 1))
    for _ in range(limit):
        run.handle(LeaseLost(run.sent.pop().number, **event))
        assert run.stop is None
    run.handle(LeaseLost(run.sent.pop().number, **event))
    assert run.records[-1].attempt.kind is Kind.WORKER_LOST
    assert run.records[-1].attempt.error["type"] == "WorkerLost"


def test_a_loss_before_the_mini_batch_was_begun_never_counts():
    run = Run(1).handle(InstanceUp("i0", 1))
    for _ in range(50):
        run.handle(LeaseLost(run.sent.pop().number, begun=False))
    assert not run.records
    assert run.answer(lambda _: Kind.OK).stop.outcome is Outcome.COMPLETED


def test_a_worker_that_was_told_to_end_is_nobodys_loss():
    run = Run(400).handle(InstanceUp("i0", 1))
    while len(run.sent[-1].members) < 3:
        lease = run.sent.pop(0)
        run.handle(LeaseReturned(lease.number, tuple(attempt(m, Kind.OK) for m in lease.members)))
    while run.sent:
        run.handle(LeaseLost(run.sent.pop().number, in_order=True))
        if run.decisions._next_lease > 200:
            break
    # They go out together again, not one by one.
    assert any(len(lease.members) > 1 for lease in run.sent)
    run.answer(lambda _: Kind.OK)
    assert sorted(run.final()) == [(i, 0) for i in range(400)]


def test_a_late_twin_of_a_lease_that_was_given_up_is_ignored():
    run = Run(1).handle(InstanceUp("i0", 1))
    late = run.sent.pop()
    run.handle(LeaseLost(late.number, begun=False))
    run.answer(lambda _: Kind.OK)
    run.handle(LeaseReturned(late.number, (attempt(late.members[0], Kind.OK),)))
    assert len(run.records) == 1


def cut_lease():
    """Return a run and a lease of several, of which the first has ended and the second takes long."""
    run = Run(400).handle(InstanceUp("i0", 1))
    while len(run.sent[-1].members) < 3:
        lease = run.sent.pop(0)
        run.handle(LeaseReturned(lease.number, tuple(attempt(m, Kind.OK) for m in lease.members)))
    lease = run.sent.pop()
    first, second, *rest = lease.members
    return run, lease, LeaseReturned(lease.number, (attempt(first, Kind.OK),), tuple(rest), second)


def test_a_lease_that_is_cut_goes_on_with_the_member_that_takes_long():
    run, lease, cut = cut_lease()
    before = len(run.records)
    run.handle(cut)
    kept = next(other for other in run.sent if other.number == lease.number)
    assert (kept.instance, kept.members) == ("i0", lease.members[1:2])
    run.handle(cut)  # a late twin of it
    assert len(run.records) == before + 1
    assert [other.number for other in run.sent].count(lease.number) == 1
    run.answer(lambda _: Kind.OK)
    assert sorted(run.final()) == [(i, 0) for i in range(400)]
    assert len(run.records) == 400


def test_a_lease_that_is_cut_on_an_instance_that_has_gone_since_goes_on_nowhere():
    run, lease, cut = cut_lease()
    run.handle(InstanceDown("i0")).handle(cut)
    assert all(other.number != lease.number for other in run.sent)
    for other in list(run.sent):
        run.handle(LeaseLost(other.number))
    run.sent.clear()
    run.handle(InstanceUp("i1", 1)).answer(lambda _: Kind.OK)
    assert sorted(run.final()) == [(i, 0) for i in range(400)]


def test_what_is_given_back_goes_out_again():
    run = Run(3).handle(InstanceUp("i0", 1))
    lease = run.sent.pop(0)
    run.handle(LeaseReturned(lease.number, (), lease.members))
    run.answer(lambda _: Kind.OK)
    assert sorted(run.final()) == [(0, 0), (1, 0), (2, 0)]


def test_init_failing_everywhere_fails_the_job_with_the_script_s_error():
    run = Run(100).handle(InstanceUp("i0", 2))
    error = {"type": "OSError", "message": "no model", "phase": "init"}
    run.handle(InitFailed(run.sent.pop(0).number, error))
    assert run.stop is None
    run.handle(InitFailed(run.sent.pop(0).number, error))
    assert (run.stop.outcome, run.stop.reason, run.stop.error) == (Outcome.FAILED, "init_failed", error)
    assert not run.records


def test_init_failing_on_one_instance_excludes_it_and_the_job_completes():
    run = Run(30).handle(InstanceUp("i0", 1)).handle(InstanceUp("i1", 1))
    while run.sent:
        lease = run.sent.pop(0)
        if lease.instance == "i0":
            run.handle(InitFailed(lease.number, {"type": "OSError", "message": "x"}))
        else:
            run.handle(LeaseReturned(lease.number, tuple(attempt(m, Kind.OK) for m in lease.members)))
    assert run.excluded == ["i0"]
    assert run.stop.outcome is Outcome.COMPLETED
    assert len(run.final()) == 30


def test_an_excluded_instance_stays_excluded_when_another_of_its_slots_succeeds():
    run = Run(60, instance_count=2).handle(InstanceUp("i0", 2)).handle(InstanceUp("i1", 1))
    mine = [lease for lease in run.sent if lease.instance == "i0"]
    for lease in mine[:2]:
        run.handle(InitFailed(lease.number, {"type": "OSError", "message": "x"}))
    assert run.excluded == ["i0"]
    run.sent.clear()
    run.handle(LeaseReturned(mine[2].number, (attempt(mine[2].members[0], Kind.OK),)))
    run.handle(InitFailed(mine[3].number, {"type": "OSError", "message": "x"}))
    assert (run.excluded, run.sent, run.stop) == (["i0"], [], None)


def test_an_instance_gets_no_more_leases_for_those_that_its_predecessor_lost():
    run = Run(60).handle(InstanceUp("i0", 2))
    old = list(run.sent)
    run.sent.clear()
    run.handle(InstanceDown("i0")).handle(InstanceUp("i0", 2))
    assert len(run.sent) == 4
    for lease in old:
        run.handle(LeaseLost(lease.number, begun=False))
    assert len(run.sent) == 4


def test_a_lease_is_at_most_four_times_the_one_before_also_where_few_are_in_a_row():
    ranges = [(number, number + 1) for number in range(0, 100, 2)]
    decisions = Decisions(Settings(), Pending([*ranges, (200, 5000)]), lambda _: 1)
    sent = [c.lease for c in decisions.handle(InstanceUp("i0", 1))]
    sizes = []
    while sent:
        lease = sent.pop(0)
        sizes.append(len(lease.members))
        done = tuple(attempt(m, Kind.OK) for m in lease.members)
        sent += [c.lease for c in decisions.handle(LeaseReturned(lease.number, done)) if isinstance(c, Send)]
    assert sizes[:51] == [1] * 50 + [4]
    assert max(sizes) > 190


def test_cancel_stops_at_once_and_records_nothing_more():
    run = Run(100).handle(InstanceUp("i0", 2))
    lease = run.sent.pop(0)
    run.handle(CancelRequested())
    run.handle(LeaseReturned(lease.number, tuple(attempt(m, Kind.OK) for m in lease.members)))
    assert run.stop.outcome is Outcome.CANCELED
    assert not run.records


def test_isolated_files_of_a_failed_mini_batch_cost_only_the_bad_ones():
    run = Run(10, files=4, max_retries=1, isolate_failures=True).handle(InstanceUp("i0", 1))
    run.answer(lambda m: Kind.ERROR if m.mini_batch == 5 and m.part in {0, 3} else Kind.OK)
    five = {key: kind for key, kind in run.final().items() if key[0] == 5}
    assert five == {(5, 1): Kind.OK, (5, 2): Kind.OK, (5, 3): Kind.ERROR, (5, 4): Kind.OK}
    assert sum(r.failed_files for r in run.records) == 1
    assert run.stop.outcome is Outcome.COMPLETED


def test_one_good_file_is_a_success_also_for_the_host_that_comes_after():
    """No mini-batch is good as a whole, so that their number says nothing."""
    common = {"files": 2, "max_retries": 0, "isolate_failures": True}
    first = Run(12, **common).handle(InstanceUp("i0", 1))
    first.answer(lambda m: Kind.OK if m.part == 1 else Kind.ERROR)
    assert (first.stop.outcome, first.stop.reason) == (Outcome.COMPLETED, "done")
    again = Run(0, any_success=True, **common).handle(InstanceDown(""))
    assert (again.stop.outcome, again.stop.reason) == (Outcome.COMPLETED, "done")


def test_with_nothing_left_the_verdict_needs_no_instance():
    decisions = Decisions(Settings(), Pending([]), lambda _: 1, any_success=True)
    assert [c.outcome for c in decisions.handle(InstanceDown(""))] == [Outcome.COMPLETED]
