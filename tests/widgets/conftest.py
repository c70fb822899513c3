from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from widgets_support import Bench, Kernel

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def bench(module_workspace) -> Iterator[Bench]:
    """A workspace whose jobs do what the test says; no host is started for them."""
    found = Bench(module_workspace.root)
    yield found
    found.close()


@pytest.fixture(scope="module")
def kernel(bench) -> Iterator[Kernel]:
    """A kernel with a client of the workspace of `bench`."""
    with Kernel(bench.root.parent) as found:
        found.run(
            "from batchmagic import MLClient\n"
            "from batchmagic.widgets import available, live\n"
            "from batchmagic.widgets.pulse import PULSE\n"
            f"client = MLClient({str(bench.root)!r})\n"
            "session = client.session\n"
            "def show(*names):\n"
            "    return live.show(session, names)"
        )
        yield found
