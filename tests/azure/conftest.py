from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(session_workspace, tmp_path: Path, monkeypatch) -> Path:
    """A folder to work in, with the workspace of this process's tests."""
    monkeypatch.setenv("BATCHMAGIC_WORKSPACE", str(session_workspace.root))
    monkeypatch.chdir(tmp_path)
    assert "AZUREML" not in "".join(os.environ)
    return tmp_path
