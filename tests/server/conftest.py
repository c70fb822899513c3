from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "main_job"))

from server_support import Server, World, world_of

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def world(new_workspace) -> Iterator[World]:
    """A workspace with one of everything, for tests that leave it as it is, and the jobs of it alone."""
    with world_of(new_workspace()) as found:
        yield found


@pytest.fixture(scope="session")
def server(world) -> Iterator[Server]:
    """A server of `world` alone, for tests that do not need one of their own."""
    with world.server() as found:
        yield found


@pytest.fixture(scope="session")
def jupyter_server(world) -> Iterator[Server]:
    """A stock Jupyter server with no other extension, on `world`, that lets nobody in without credentials."""
    off = {"jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook", "notebook_shim", "voila"}
    config = (
        "c.ServerApp.allow_unauthenticated_access = False\n"
        f"c.ServerApp.jpserver_extensions = {dict.fromkeys(sorted(off), False) | {'batchmagic': True}}\n"
    )
    with world.server(alone=False, config=config) as found:
        yield found


@pytest.fixture(scope="session")
def still(new_workspace) -> Iterator[World]:
    """A workspace with one of everything, of which all jobs stay in the queue."""
    with world_of(new_workspace(), still=True) as found:
        yield found


@pytest.fixture(scope="session")
def still_server(still) -> Iterator[Server]:
    """A server of `still` alone."""
    with still.server() as found:
        yield found
