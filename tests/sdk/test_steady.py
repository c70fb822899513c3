"""The time that is left does not jump."""

from __future__ import annotations

import itertools
import random

import pytest

from batchmagic.entities.progress import Progress
from batchmagic.sdk.pace import Meter
from batchmagic.sdk.steady import Steady
from batchmagic.words import left_text


def shown(rate, *, total=6000, until=50.0, step=0.5):
    """Return what a view shows of a job that has `rate(at)` mini-batches per second, every `step` seconds."""
    meter, steady, done, at, found = Meter(), Steady(), 0.0, 0.0, []
    while at < until and done < total:
        at += step
        done = min(total, done + rate(at) * step)
        pace = meter.observe(Progress(mini_batches=total, completed=int(done), seconds=at), at)
        found.append((at, steady.follow(pace.left, at), (total - done) / 100))
    return found


def steps(seen):
    """Return by how many seconds per second the shown value changed, once the job is under way."""
    late = [(at, left) for at, left, _ in seen if at >= 10]
    return [(then - left) / (later - at) for (at, left), (later, then) in itertools.pairwise(late)]


@pytest.mark.parametrize("seed", range(5))
def test_it_falls_like_a_clock_while_the_pace_jitters(seed):
    dice = random.Random(seed)
    for step in steps(shown(lambda _: dice.uniform(20, 180))):
        assert -1.51 <= step <= -0.49


@pytest.mark.parametrize("seed", range(5))
def test_it_does_not_jump_when_the_pace_is_wild(seed):
    dice = random.Random(seed)
    found = steps(shown(lambda _: dice.choice([0, 0, 0, 100, 200, 300])))
    assert max(map(abs, found)) <= 5
    assert sum(step > 0 for step in found) <= len(found) / 5


@pytest.mark.parametrize("seed", range(5))
def test_it_is_right_within_a_quarter(seed):
    dice = random.Random(seed)
    for at, left, truth in shown(lambda _: dice.uniform(20, 180)):
        if at >= 10 and truth > 5:
            assert left == pytest.approx(truth, rel=0.25, abs=4), at


def test_it_follows_when_the_pace_has_really_changed():
    # After 20 s twice as many instances help.
    seen = shown(lambda at: 100 if at < 20 else 200, until=45)
    at, left, _ = seen[-1]
    truth = (6000 - 2000 - (at - 20) * 200) / 200
    assert left == pytest.approx(truth, abs=6)


def test_a_first_guess_that_is_far_off_is_soon_forgotten():
    seen = shown(lambda at: 2 if at < 2 else 100)
    at, left, truth = next(item for item in seen if item[0] >= 15)
    assert left == pytest.approx(truth, rel=0.3), at


def test_nothing_is_shown_while_nothing_is_known():
    steady = Steady()
    assert steady.follow(None, 1.0) is None
    assert steady.follow(30.0, 2.0) == 30.0
    assert steady.follow(None, 3.0) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (19.2, "0:19"), (59, "0:59"), (61, "1 min"), (170, "3 min"), (5000, "83 min"), (7300, "2 h"),
     (40 * 3600, "40 h"), (72 * 3600, "3 days")],
)  # fmt: skip
def test_it_is_said_as_people_say_it(seconds, text):
    assert left_text(seconds) == text
