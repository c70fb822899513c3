from __future__ import annotations

from typing import TYPE_CHECKING

import lab_support
import pytest
from gated_jobs import Gates

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab_page import LabPage
    from lab_support import Lab
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser. Not of the session: while it runs, nothing else in this thread can run asyncio."""
    if lab_support.chromium() is None:
        pytest.skip("optional: chromium is not installed")
    with lab_support.browser() as found:
        yield found


@pytest.fixture(scope="module")
def lab(browser, module_workspace) -> Iterator[Lab]:
    """A JupyterLab. Afterwards it is a failure if any process is left that it started, whoever that serves."""
    with lab_support.lab(module_workspace.root, browser) as found:
        yield found


@pytest.fixture(scope="module")
def endpoint(lab) -> Iterator[Gates]:
    """An endpoint in Lab's project, whose jobs wait for the test."""
    found = Gates(lab.project)
    yield found
    found.close()


@pytest.fixture
def gates(endpoint) -> Iterator[Gates]:
    """The endpoint for one test: afterwards none of its jobs is in the way of the next."""
    yield endpoint
    endpoint.cancel_all()


@pytest.fixture(scope="module")
def page(lab) -> Iterator[LabPage]:
    """One page of Lab that the tests of a module share; each opens a notebook of its own."""
    with lab.page() as found:
        yield found
