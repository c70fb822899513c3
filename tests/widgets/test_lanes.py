"""Lanes: what the slots have just been doing, small enough to be sent every second."""

from __future__ import annotations

import re

import pytest

from batchmagic.widgets.lanes import lanes
from batchmagic.workspace.ledger import Commit, Failure, Ledger
from batchmagic.workspace.ledger_attempts import Attempt


def attempt(started, seconds, *, slot=0, ok=True, final=True, number=0, instance="i0"):
    return Attempt(
        mini_batch=number, ok=ok, final=final, instance=instance, slot=slot, started=started, seconds=seconds
    )


def blocks(html):
    found = re.findall(r'<i class="bm-(\w+)" style="left:([\d.]+)%;width:([\d.]+)%', html)
    return [(colour, float(left), float(width)) for colour, left, width in found]


def test_each_slot_has_a_lane_with_its_attempts_in_colour():
    done = [
        attempt(1000, 2),
        attempt(1002, 2, ok=False, final=False, number=7),
        attempt(1004, 4, number=8),
        attempt(1000, 5, slot=1, ok=False, number=9),
    ]
    drawn = lanes(done, now=1010, window=10, running=True)
    assert drawn.count('class="bm-lane"') == 2
    assert "i0 · slot 0" in drawn
    assert "#8 4.0 s" in drawn
    assert blocks(drawn) == [
        ("ok", 0, 20),
        ("retry", 20, 20),
        ("ok", 40, 40),
        ("run", 80, 20),
        ("err", 0, 50),
        ("run", 50, 50),
    ]


def test_thousands_of_small_mini_batches_are_a_few_blocks():
    done = [attempt(1000 + n * 0.001, 0.001, number=n) for n in range(9000)]
    drawn = lanes(done, now=1010, window=10, running=False)
    assert len(drawn) < 3000
    assert sum(width for _, _, width in blocks(drawn)) == pytest.approx(90, abs=1)


def test_many_slots_are_cut_and_counted():
    done = [attempt(1000, 1, slot=n % 10, instance=f"i{n // 10}") for n in range(40)]
    drawn = lanes(done, now=1010, window=10, running=False)
    assert drawn.count('class="bm-lane"') == 12
    assert "and 28 more slots" in drawn


def test_what_does_not_move_is_the_same_a_moment_later():
    done = [attempt(1000, 300), attempt(1300, 290)]
    first, second = (lanes(done, now=now, window=800, running=True) for now in (1601.0, 1602.5))
    assert first == second


def test_a_name_from_outside_cannot_become_a_tag():
    assert "<script>" not in lanes(
        [attempt(1000, 1, instance="<script>")], now=1010, window=10, running=False
    )


def test_the_ledger_tells_the_latest_attempts_of_a_small_and_of_a_large_job(tmp_path):
    ledger = Ledger.open(tmp_path)
    ledger.begin(epoch=1, run=1, mini_batches=3000, files=3000)
    commits = [
        Commit(mini_batch=n, part=0, ok=n != 2990, attempt=1, files=1, instance="i0", started=1000.0 + n, seconds=1)
        for n in range(3000)
    ]  # fmt: skip
    failure = Failure(
        mini_batch=2990, part=0, attempt=4, kind="error", final=True, error={"type": "E"}, instance="i0",
        started=3990.0, seconds=1,
    )  # fmt: skip
    ledger.commit(1, commits=commits, failures=[failure], progress=ledger.progress())
    for size in (3000, 3_000_000):
        found = ledger.attempts(since=3980.0, mini_batches=size)
        assert [a.mini_batch for a in found] == list(range(2980, 3000))
        assert [a.mini_batch for a in found if not a.ok] == [2990]
    ledger.close()
