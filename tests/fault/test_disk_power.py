"""Power is lost while ledger and spool are written: what was told to be durable is, and everything else is done again."""

from __future__ import annotations

import random

import pytest
from test_disk_sqlite import run, take_down


@pytest.mark.timeout(900)
@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_what_was_synced_is_there(journal, tier, tally):
    trials, seed = (250, random.randrange(1 << 30)) if tier == "nightly" else (25, random.randrange(1 << 30))
    take_down(tally, run("power_loss.py", journal, trials, seed))
