from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from workspace_support import PYTHON, Peer

from batchmagic.entities import BatchDeployment, BatchEndpoint
from batchmagic.entities.job_spec import JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def _idle_peers() -> Iterator[list[Peer]]:
    idle: list[Peer] = []
    yield idle
    for one in idle:
        one.end()


@pytest.fixture
def peers(_idle_peers) -> Iterator[Callable[[], Peer]]:
    """A function that gives another process at each call; they serve one test after the other."""
    used: list[Peer] = []

    def another() -> Peer:
        used.append(_idle_peers.pop() if _idle_peers else Peer())
        return used[-1]

    yield another
    for one in used:
        if one.forget():
            _idle_peers.append(one)
        else:
            one.end()


@pytest.fixture
def peer(peers) -> Peer:
    return peers()


@pytest.fixture
def ws(tmp_path) -> Iterator[Workspace]:
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


@pytest.fixture
def model_folder(tmp_path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)) * 10)
    return folder


@pytest.fixture
def spec():
    def make(name: str = "", **values) -> JobSpec:
        common = {
            "endpoint": "heart",
            "deployment": "first",
            "deployment_version": 1,
            "compute": "local",
            "settings": Settings(),
            "interpreter": PYTHON,
            "input_path": "/data",
            "input_type": "uri_folder",
            "input_reference": "./data",
        }
        return JobSpec(name=name, **{**common, **values})

    return make


@pytest.fixture
def deployed(ws):
    def put(name: str = "first", endpoint: str = "heart", model=None, code_dir=None, secrets=None, **values):
        if endpoint not in {found.name for found in ws.endpoints.list()}:
            ws.endpoints.put(BatchEndpoint(name=endpoint))
        deployment = BatchDeployment(name=name, endpoint_name=endpoint, **values)
        return ws.deployments.put(
            deployment, interpreter=PYTHON, model=model, code_dir=code_dir, secrets=secrets
        )

    return put
