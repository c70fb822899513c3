"""Who may know whom: the rule of docs/architecture.md, read from the code's own imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import batchmagic

PACKAGE = Path(batchmagic.__file__).parent
LEAVES = {
    "capacity", "certificates", "constants", "disk", "errors", "failpoints", "failure_lines", "names", "orphans", "processes", "redaction",
    "surroundings", "words",
}  # fmt: skip
MAY_IMPORT = {
    "twins": LEAVES,
    "entities": LEAVES | {"twins"},
    "workspace": LEAVES | {"entities"},
    "compute": LEAVES | {"entities", "workspace"},
    "scoring": LEAVES | {"entities", "workspace", "compute"},
    "host": LEAVES | {"entities", "workspace", "compute", "scoring"},
    "sdk": LEAVES | {"entities", "workspace", "twins"},
    "azure": LEAVES | {"entities", "sdk"},
    "grammar": LEAVES,
    "verbs": LEAVES | {"azure", "entities", "grammar", "sdk", "twins", "workspace"},
    "cli": LEAVES | {"entities", "grammar", "sdk", "twins", "verbs", "workspace"},
    "widgets": LEAVES | {"entities", "sdk", "twins", "workspace"},
    "magics": LEAVES | {"cli", "entities", "grammar", "sdk", "twins", "verbs", "widgets", "workspace"},
    "server": LEAVES | {"__init__", "entities", "sdk", "twins", "workspace"},
    "demo": LEAVES | {"entities", "sdk", "cli"},
    "__init__": {"entities", "magics", "sdk", "server"},
    "__main__": {"cli"},
    "capacity": set(),
    "certificates": set(),
    "disk": {"errors"},
    "errors": {"failure_lines", "words"},
    "failure_lines": set(),
    "constants": set(),
    "failpoints": set(),
    "names": {"errors"},
    "orphans": set(),
    "processes": set(),
    "redaction": set(),
    "surroundings": set(),
    "words": set(),
}
HEAVY = (
    "dask",
    "distributed",
    "pandas",
    "mlflow",
    "IPython",
    "ipywidgets",
    "sqlalchemy",
    "tornado",
    "jupyter_server",
    "pyarrow",
)


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def imported(path):
    """Yield the parts of the package that a module imports, wherever the import stands in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = (
                [node.module]
                if node.module != "batchmagic"
                else [f"batchmagic.{a.name}" for a in node.names if a.name not in batchmagic.__all__]
            )
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "batchmagic" and rest:
                yield rest.split(".")[0]


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_go_one_way(path):
    part = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert part in MAY_IMPORT, f"{part} has no place in the house yet"
    wrong = set(imported(path)) - MAY_IMPORT[part] - {part}
    assert not wrong, f"{part} must not know {sorted(wrong)}"


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_files_stay_small(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize(
    "path", [PACKAGE / "scoring" / "scorer.py", *(PACKAGE / "scoring" / "child").glob("*.py")]
)
def test_the_scoring_process_imports_only_the_standard_library_when_it_starts(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in tree.body:
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names, f"{path.name} imports {name}"


def test_importing_the_package_costs_next_to_nothing():
    code = f"import sys, batchmagic; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_jupyterlab_starts_the_server_extension_without_what_only_its_use_needs():
    # Each start of JupyterLab pays for it, and with them more than ten times as much.
    late = ("cryptography", "dask", "mlflow", "numpy", "pandas", "pyarrow", "pydantic", "sqlalchemy")
    code = f"import sys, batchmagic.server.app; print([m for m in {late!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_public_names_are_sorted_and_all_there():
    assert batchmagic.__all__ == sorted(batchmagic.__all__)
    for name in batchmagic.__all__:
        assert getattr(batchmagic, name) is not None
