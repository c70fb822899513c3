"""Which modules a template imports once, so that no scoring process has to: a start is then a fork and ``init()``."""

from __future__ import annotations

import ast
import re
import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic.entities.job_spec import JobSpec

# Packages that start no threads and open no devices on import, so that a fork after it is safe.
_SAFE = ("joblib", "mlflow", "numpy", "pandas", "pyarrow", "scipy", "sklearn", "skops")
_MLFLOW = ("mlflow.pyfunc", "pandas", "pyarrow.csv")
_PICKLES = frozenset({".joblib", ".pickle", ".pkl"})
_READ_BYTES = 8 << 20
# Models name the modules of their objects as plain text; to look for them runs nothing of it.
_NAMED = re.compile(rb"\b(?:" + "|".join(_SAFE).encode() + rb")(?:\.[A-Za-z_]\w*)+")


def modules_to_preload(spec: JobSpec, workspace: Path) -> list[str]:
    """Return the modules for the template of a job, sorted.

    These are well-known packages only, and of them what the script imports and what the model's files
    name: what is not used costs neither time nor memory. A module that cannot be imported is no error here.
    """
    names: set[str] = set()
    if spec.code_dir is not None and spec.scoring_script is not None:
        source = (workspace / spec.code_dir / spec.scoring_script).read_bytes()
        names.update(name for name in _imports(source) if name.partition(".")[0] in _SAFE)
    else:
        names.update(_MLFLOW)
    if spec.model_dir is not None:
        names.update(_named_in_model(workspace / spec.model_dir))
    return sorted(names)


def _imports(source: bytes) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # The deployment's own interpreter may know more, or says what is wrong.
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _named_in_model(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*"):
        text = _text_with_names(path) if path.is_file() else b""
        yield from (name.decode("ascii") for name in _NAMED.findall(text))
        if path.suffix == ".skops":
            yield "skops.io"


def _text_with_names(path: Path) -> bytes:
    """Return what may name modules: of MLflow's description, of pickles, of the schema in a skops file."""
    if path.suffix == ".skops":
        try:
            with zipfile.ZipFile(path) as archive, archive.open("schema.json") as schema:
                return schema.read(_READ_BYTES)
        except (KeyError, OSError, zipfile.BadZipFile):
            # The model says what is wrong with it when it is loaded.
            return b""
    if path.name != "MLmodel" and path.suffix not in _PICKLES:
        return b""
    with path.open("rb") as file:
        return file.read(_READ_BYTES)
