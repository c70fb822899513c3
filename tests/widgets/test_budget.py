"""The budget that all views of a kernel share."""

from __future__ import annotations

import itertools
import threading
import time

import pytest

from batchmagic.widgets.budget import Budget


def busiest(times, seconds=1.0):
    return max(sum(1 for t in times if start <= t < start + seconds) for start in times)


def test_many_threads_send_three_messages_a_second_at_most():
    budget, sent, stop = Budget(), [], threading.Event()

    def offering():
        while not stop.is_set():
            budget.offer(lambda: sent.append(time.monotonic()))

    def insisting():
        while not stop.is_set():
            budget.insist(lambda: sent.append(time.monotonic()))

    threads = [threading.Thread(target=work) for work in (offering, offering, insisting, insisting)]
    for thread in threads:
        thread.start()
    time.sleep(3.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert busiest(sent) == 3
    assert len(sent) >= 9


def test_a_slow_message_does_not_bring_the_next_ones_closer():
    budget, sent = Budget(most=1, seconds=0.3), []

    def slow():
        time.sleep(0.2)
        sent.append(time.monotonic())

    for _ in range(3):
        budget.insist(slow)
    assert min(b - a for a, b in itertools.pairwise(sent)) >= 0.3


def test_who_insists_comes_before_who_offers():
    budget, order = Budget(most=1, seconds=0.3), []
    budget.insist(lambda: order.append("first"))
    waiting = threading.Thread(target=budget.insist, args=(lambda: order.append("insisted"),))
    waiting.start()
    while len(order) < 2:
        assert not budget.offer(lambda: order.append("offered"))
    waiting.join()
    assert order == ["first", "insisted"]


def test_a_message_that_fails_has_been_paid_for():
    budget = Budget(most=1, seconds=5)

    def fail():
        raise OSError("the kernel shuts down")

    with pytest.raises(OSError, match="shuts down"):
        budget.offer(fail)
    assert not budget.offer(lambda: None)
