"""The real `azure-ai-ml`, which lives in an environment of its own, beside the one that runs the tests."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PYTHON = ROOT / ".venv-azure" / "bin" / "python"
_PATIENCE = 100
_MISSING = f"{PYTHON} is missing: run `make .venv-azure/.ready` (`make test` does)"

_PROLOGUE = """
import contextlib, json, sys, warnings
warnings.simplefilter("ignore")
given = json.loads(sys.stdin.read())
result = None
with contextlib.redirect_stdout(sys.stderr):
"""
_EPILOGUE = """
print(json.dumps(result, default=str))
"""

_LOAD = """
from azure.ai.ml import load_batch_deployment, load_batch_endpoint, load_compute, load_data, load_environment, load_model
from azure.ai.ml.entities._load_functions import load_model_batch_deployment

loaders = dict(
    endpoint=load_batch_endpoint, deployment=load_batch_deployment, new_deployment=load_model_batch_deployment,
    compute=load_compute, data=load_data, environment=load_environment, model=load_model,
)
result = {}
for label, (kind, path, overrides) in given["files"].items():
    try:
        entity = loaders[kind](path, params_override=overrides)
        result[label] = entity._to_dict()
    except Exception as error:
        result[label] = f"{type(error).__name__}: {error}"
"""


def azure(program: str, **given: Any) -> Any:
    """Run `program` where Azure's packages are, and return what it leaves in `result`; `given` are its values.

    It costs some seconds: ask for all that a module of tests needs at once.
    """
    if not PYTHON.is_file():
        raise AssertionError(_MISSING)
    indented = "".join(f"    {line}\n" for line in program.strip().splitlines())
    done = subprocess.run(
        [str(PYTHON), "-c", _PROLOGUE + indented + _EPILOGUE],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def azure_loads(files: dict[str, tuple[str, str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Return what Azure's loaders make of files, by label: the entity as a dictionary, or the error as text.

    Parameters
    ----------
    files
        Kind (``new_deployment``: the loader of the form with ``settings:``), path, and overrides.
    """
    found: dict[str, Any] = azure(_LOAD, files=files)
    return found


def with_azure(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a script where Azure's packages are, and return what it printed; it is a failure if it fails."""
    if not PYTHON.is_file():
        raise AssertionError(_MISSING)
    done = subprocess.run(
        [PYTHON, *arguments], cwd=cwd, text=True, capture_output=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
