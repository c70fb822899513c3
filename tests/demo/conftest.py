from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from demo_support import LEAVE_SECONDS, outside_world

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def ends_computes(tmp_path: Path):
    """Afterwards the computes of every workspace in `tmp_path` have left."""
    yield
    for record in tmp_path.rglob("compute/*/supervisor.json"):
        with contextlib.suppress(psutil.NoSuchProcess):
            supervisor = psutil.Process(json.loads(record.read_text())["identity"]["pid"])
            if str(tmp_path) in " ".join(supervisor.cmdline()):
                supervisor.terminate()
                supervisor.wait(LEAVE_SECONDS)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `model` (MLflow, handwritten digits) and `sheets` (CSV files), made by the demo's own code."""
    folder = tmp_path_factory.mktemp("small")
    # In a process of its own: MLflow warns while it is imported, and warnings are errors here.
    code = f"""
from pathlib import Path
from batchmagic.demo import digits
from batchmagic.demo.screen import quiet
digits.FILES = 12
folder = Path({str(folder)!r})
with quiet():
    data = digits.load()
    digits.save_model(digits.train(data), data, folder / "model")
digits.write_sheets(data, folder / "sheets")
"""
    subprocess.run([sys.executable, "-c", code], check=True, env=outside_world(), capture_output=True)
    return folder
