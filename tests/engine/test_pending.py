"""The set of mini-batches nobody has, against a plain set."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from batchmagic.scoring.pending import Pending


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 60)), st.data())
def test_it_behaves_like_a_sorted_set(numbers, data):
    ranges, start = [], None
    for n in range(62):
        if n in numbers and start is None:
            start = n
        elif n not in numbers and start is not None:
            ranges.append((start, n))
            start = None
    pending, model = Pending(ranges), set(numbers)
    taken: set[int] = set()
    for _ in range(data.draw(st.integers(0, 30))):
        if taken and data.draw(st.booleans()):
            n = data.draw(st.sampled_from(sorted(taken)))
            pending.give_back(n)
            taken.discard(n)
            model.add(n)
        else:
            got = pending.take(data.draw(st.integers(1, 7)))
            assert got == sorted(model)[: len(got)]
            assert bool(got) == bool(model)
            taken |= set(got)
            model -= set(got)
        assert len(pending) == len(model)


def test_a_million_numbers_are_one_range():
    pending = Pending([(0, 1_000_000)])
    for _ in range(1000):
        for n in pending.take(500):
            pending.give_back(n)
    assert len(pending._ranges) == 1
