"""Thousands of jobs on a fake cluster: every seed is one history of deaths, delays, lost and repeated replies.

A failing seed is printed as ``BATCHMAGIC_SEED=…``; with that variable set only this history is lived through again,
and all of it is printed.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections import Counter

import pytest
from simulation import Simulation

SEED = os.environ.get("BATCHMAGIC_SEED")
CHUNKS = 10
PUSH, NIGHTLY = 100, 1000  # seeds in each

# What a thousand seeds must have come to, lest the simulation gets tame unnoticed.
EVENTFUL = {
    "-> Exclude",
    "InitFailed",
    "InstanceSized",
    "cut short",
    "damage",
    "died",
    "ended canceled",
    "ended done",
    "ended error_threshold",
    "ended init_failed",
    "ended no_success",
    "ended systematic",
    "file failed alone",
    "frozen",
    "given back",
    "goes on with one",
    "host killed",
    "late twin",
    "lease of many",
    "lost reply",
    "replaced early",
    "retired",
    "suspended",
    "worker_lost",
}
only_without_a_seed = pytest.mark.skipif(SEED is not None, reason="BATCHMAGIC_SEED names one history")


def lived(seed, folder=None):
    simulation = Simulation(seed, folder)
    try:
        return simulation.run()
    except Exception as problem:
        raise AssertionError(f"{problem}\nBATCHMAGIC_SEED={seed}\n{simulation.tail}") from problem


@only_without_a_seed
@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_whatever_happens_each_mini_batch_comes_to_one_end_and_the_verdict_is_right(chunk, tier, tally, seen):
    count, first = PUSH, 0
    if tier == "nightly":
        count, first = NIGHTLY, secrets.randbelow(10**9)
    for seed in range(first + chunk * count, first + (chunk + 1) * count):
        seen.update(lived(seed).seen)
        tally.trial()


@only_without_a_seed
def test_the_histories_were_eventful(seen):
    if not seen:
        pytest.skip("no history was lived through")
    missing = {what for what in EVENTFUL if not seen[what]}
    assert not missing


@pytest.fixture(scope="module")
def seen():
    return Counter()


if SEED is not None:

    def test_one_history():
        simulation = Simulation(int(SEED))
        try:
            simulation.run()
        finally:
            print("\n".join(simulation.history))


@only_without_a_seed
def test_a_real_ledger_comes_to_the_same(tmp_path, tier, tally):
    # Where files are tried one by one there is most for a crash to leave half done.
    seeds = (n for n in itertools.count() if n % 2 or Simulation(n).settings.isolate_failures)
    for seed in itertools.islice(seeds, 200 if tier == "nightly" else 16):
        folder = tmp_path / str(seed)
        folder.mkdir()
        lived(seed, folder)
        tally.trial()


def test_a_seed_is_one_history():
    first, second = lived(65), lived(65)
    assert first.history == second.history
    assert first.history != lived(66).history
