from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import batchmagic
from batchmagic.entities import BatchDeployment, BatchEndpoint
from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTHON = Interpreter(executable=sys.executable, version="3.11", prefix=sys.prefix)


class Peer:
    """A second process that runs Python lines, and answers each with what `answer` was set to."""

    _LOOP = """
import sys
scope = {}
for line in sys.stdin:
    scope["answer"] = None
    try:
        exec(line, scope)
        reply = scope["answer"]
    except BaseException as error:
        reply = f"{type(error).__name__}: {error}"
    print(str(reply).replace("\\n", " "), flush=True)
"""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(batchmagic.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def tell(self, line: str) -> None:
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.hear()

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    made: list[Peer] = []

    class Maker(list):
        def __call__(self) -> Peer:
            made.append(Peer())
            return made[-1]

    yield Maker()
    for peer in made:
        peer.end()


@pytest.fixture
def peer(peers) -> Peer:
    return peers()


@pytest.fixture
def ws(tmp_path) -> Iterator[Workspace]:
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


@pytest.fixture
def files():
    return tree


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


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below `root` with its content."""
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}
