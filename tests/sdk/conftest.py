from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchmagic import MLClient
from batchmagic.entities import BatchDeployment, BatchEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCRIPT = """
import os

def init():
    pass

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with code and data, and no workspace above it."""
    folder = tmp_path / "project"
    (folder / "code").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "code" / "score.py").write_text(SCRIPT)
    for number in range(5):
        (folder / "data" / f"{number}.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BATCHMAGIC_WORKSPACE", raising=False)
    return folder


@pytest.fixture
def client(project: Path) -> Iterator[MLClient]:
    """A client whose workspace has the endpoint `heart` with one deployment of a script."""
    found = MLClient()
    found.session.tell = lambda line: None
    found.batch_endpoints.begin_create_or_update(BatchEndpoint(name="heart")).result()
    found.batch_deployments.begin_create_or_update(script_deployment()).result()
    yield found
    found.session.close()


def script_deployment(name: str = "classifier", **values: object) -> BatchDeployment:
    defaults: dict[str, object] = {"code_path": "./code", "scoring_script": "score.py"}
    return BatchDeployment(name=name, endpoint_name="heart", **{**defaults, **values})


@pytest.fixture
def state(project: Path) -> Callable[[], dict[str, str]]:
    """A function that returns everything that is in the project, database rows included."""
    return lambda: {**_files(project), **_rows(project)}


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        # SQLite's own files change without a row changing; `_rows` looks into them.
        if path.is_file() and path.suffix not in {".db", ".db-wal", ".db-shm"} and not path.name.startswith("workspace.db"):
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            found[str(path.relative_to(folder))] = oct(os.stat(path).st_mode)
    return found


def _rows(folder: Path) -> dict[str, str]:
    import sqlite3

    found = {}
    for database in folder.rglob("*.db"):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")]
            for table in tables:
                found[f"{database.name}:{table}"] = repr(connection.execute(f"select * from {table}").fetchall())
        finally:
            connection.close()
    return found
