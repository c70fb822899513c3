"""What the machinery costs per mini-batch. The figure is CPU time, so that a busy machine does not count."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from owner import Owner

# Measured: 10 to 11 us on a quiet 2-core machine. The limit leaves room for a busy one.
LIMIT = 40e-6


def test_a_tiny_mini_batch_costs_microseconds(owner: Owner):
    process = owner.ready("def run(mb): return ['7,positive']\n")
    count = 2000
    best = min(
        sum(frame.header["cpu"] for frame in process.score(*[["/in/a.csv"]] * count)) / count
        for _ in range(5)
    )
    assert best < LIMIT, f"{best * 1e6:.1f} us"
