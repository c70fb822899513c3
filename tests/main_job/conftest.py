from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from main_job_support import LEAK, Lab

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def lab(module_workspace) -> Iterator[Lab]:
    """A workspace that the tests of a module share. Whatever host it starts has a variable of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(LEAK, "seen")
        found = Lab(module_workspace)
        yield found
        found.close()
        assert LEAK in os.environ
