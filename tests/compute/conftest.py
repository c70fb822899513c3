from __future__ import annotations

from typing import TYPE_CHECKING

import compute_support
import psutil
import pytest
from compute_support import Events

from batchmagic.compute.local import LocalInstances

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def compute(tmp_path: Path) -> Iterator[LocalInstances]:
    """A started compute without instances."""
    with LocalInstances(tmp_path / "compute", nthreads=2) as started:
        yield started


@pytest.fixture
def events(compute: LocalInstances) -> Events:
    return Events(compute)


@pytest.fixture(autouse=True)
def _only_own_processes():
    """Let `tree` tell of what the test itself starts."""
    compute_support.BEFORE.clear()
    compute_support.BEFORE.update(psutil.Process().children(recursive=True))
