"""What a template imports for a job."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.scoring.preload import modules_to_preload


@pytest.fixture
def spec():
    def make(**given):
        return JobSpec(
            name="j",
            endpoint="e",
            deployment="d",
            deployment_version=1,
            compute="local",
            settings=Settings(),
            interpreter=Interpreter(executable="python", version="3", prefix="/"),
            input_path="/in",
            input_type="uri_folder",
            input_reference="in",
            **given,
        )

    return make


def test_a_script_brings_what_it_imports_and_nothing_that_could_start_threads(tmp_path, spec):
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text(
        "import os, torch, pandas as pd\nfrom sklearn.ensemble import X\nfrom . import helper\n"
        "def run(b):\n    import scipy.stats\n"
    )
    modules = modules_to_preload(spec(code_dir="code", scoring_script="score.py"), tmp_path)
    assert modules == ["pandas", "scipy.stats", "sklearn.ensemble"]


def test_a_model_brings_the_modules_that_its_files_name(tmp_path, spec):
    folder = tmp_path / "model" / "m"
    folder.mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n")
    from sklearn.linear_model import LinearRegression  # noqa: PLC0415

    (folder / "model.pkl").write_bytes(pickle.dumps(LinearRegression()))
    modules = modules_to_preload(spec(model_dir="model"), tmp_path)
    assert {"mlflow.pyfunc", "mlflow.sklearn", "sklearn.linear_model._base"} <= set(modules)


def test_a_damaged_model_file_is_for_the_loader_to_tell(tmp_path, spec):
    (tmp_path / "model").mkdir()
    Path(tmp_path / "model" / "m.skops").write_bytes(b"no archive")
    assert "skops.io" in modules_to_preload(spec(model_dir="model"), tmp_path)


def test_a_script_is_read_as_python_reads_it_and_a_broken_one_is_for_the_import_to_tell(tmp_path, spec):
    (tmp_path / "code").mkdir()
    script = tmp_path / "code" / "score.py"
    script.write_bytes("# -*- coding: latin-1 -*-\nimport pandas  # \u00e9\n".encode("latin-1"))
    assert modules_to_preload(spec(code_dir="code", scoring_script="score.py"), tmp_path) == ["pandas"]
    for broken in (b"import pandas\ndef run(\n", b"\xff\xfe"):
        script.write_bytes(broken)
        assert modules_to_preload(spec(code_dir="code", scoring_script="score.py"), tmp_path) == []
