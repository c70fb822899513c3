"""What the stateful tests share: how many programs are tried, and a folder that costs no waiting for a disk."""

from __future__ import annotations

import os
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

if TYPE_CHECKING:
    from hypothesis.stateful import RuleBasedStateMachine

CHUNKS = 10
_MEMORY = Path("/dev/shm")


def fast_folder() -> tempfile.TemporaryDirectory[str]:
    """Return a new folder, in memory where the system has that: what is tested here is no power loss."""
    there = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK)
    return tempfile.TemporaryDirectory(prefix="batchmagic-state-", dir=_MEMORY if there else None)


def check(machine: type[RuleBasedStateMachine], chunk: int, tier: str) -> int:
    """Try programs for a machine and return how many.

    In the push tier they are the same ones every time, so that a failure is a change of the code, and one that fails
    is told as it is. The nightly tier draws new ones, and takes its time to make one that fails shorter.
    """
    long = tier == "nightly"
    examples = (1000 if long else 100) // CHUNKS
    number = secrets.randbelow(2**32) if long else chunk
    profile = settings(
        max_examples=examples,
        stateful_step_count=100 if long else 50,
        deadline=None,
        print_blob=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink] if long else [Phase.generate],
    )
    drawn = seed(number)(type(machine.__name__, (machine,), {}))
    run_state_machine_as_test(drawn, settings=profile)
    return examples
