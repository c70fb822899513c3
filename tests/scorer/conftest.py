from __future__ import annotations

from typing import TYPE_CHECKING

import owner as driver
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def owner(tmp_path: Path) -> Iterator[driver.Owner]:
    """A template with nothing imported."""
    with driver.owner(tmp_path) as made:
        yield made
