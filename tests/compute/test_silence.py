"""A worker that says nothing is given up, unless it was this process that did not listen; and who ended in good order."""

from __future__ import annotations

import os
import signal
import time

from batchmagic.compute.interface import InstanceJoined, LeaveReason


async def _look(dask_scheduler, *, paused):
    """Look for silent workers as if none had been heard of for an hour, be it because this process was paused."""
    for worker in dask_scheduler.workers.values():
        worker.last_seen -= 3600
    period = dask_scheduler.worker_ttl
    dask_scheduler._looked = time.time() - (3600 if paused else period)
    await dask_scheduler.check_worker_ttl()
    return len(dask_scheduler.workers)


def test_nobody_is_given_up_after_a_suspended_laptop_or_a_moved_clock(compute, events):
    compute.scale_to(2)
    compute.wait(2, timeout=20)
    assert compute.client.run_on_scheduler(_look, paused=True) == 2
    assert {type(events.next()), type(events.next())} == {InstanceJoined}
    assert events.is_empty()


def test_who_is_silent_while_others_listen_is_given_up(compute, events):
    compute.scale_to(1)
    compute.wait(1, timeout=20)
    assert compute.client.run_on_scheduler(_look, paused=False) == 0
    assert events.next_left(timeout=20).reason is LeaveReason.LOST


def test_a_worker_that_is_told_to_end_is_retired_not_lost(compute, events):
    compute.scale_to(2)
    first, second = compute.wait(2, timeout=20)
    os.kill(first.pid, signal.SIGTERM)
    left = events.next_left()
    assert (left.name, left.reason, left.detail) == ("i0", LeaveReason.RETIRED, "exited with code 0")
    compute.client.submit(time.sleep, 600, workers=[second.address], pure=False)  # it is busy, and stays so
    compute.client.retire_workers([second.address])
    left = events.next_left()
    assert (left.name, left.reason) == ("i1", LeaveReason.RETIRED)
