"""What a scoring script needs of its Python, for Azure, which does not know the one that it was deployed from."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.entities import Environment
from batchmagic.errors import InterpreterMissing, ValidationException

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from batchmagic.entities.job_spec import Interpreter

IMAGE = "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"
# What Azure's own runtime of batch deployments needs of every environment.
AZURE_NEEDS = ("azureml-core", "azureml-dataset-runtime[fuse]")
# Of Azure's runtime itself, and of this package.
_THERE = frozenset({"azureml", "azureml_user", "batchmagic", "__future__"})
_ASK_SECONDS = 120
# Run by the deployment's Python, which may be older than ours.
_ASK = """
import json, sys
from importlib import metadata
wanted = json.load(sys.stdin)
tops = {name.split(".")[0] for name in wanted}
found = {}
for one in metadata.distributions():
    name = one.metadata["Name"]
    if not name:
        continue
    paths = [str(path) for path in one.files or []]
    own = set((one.read_text("top_level.txt") or "").split())
    own |= {path.replace("\\\\", "/").split("/")[0].split(".")[0] for path in paths if path.endswith((".py", ".so", ".pyd"))}
    for top in own & tops:
        found.setdefault(top, {}).setdefault(name, [one.version, paths])
result = {}
for name in wanted:
    owners = found.get(name.split(".")[0], {})
    inner = name.replace(".", "/")
    near = {n for n, (_, paths) in owners.items() if any(path.startswith((inner + "/", inner + ".")) for path in paths)}
    for owner in near if len(owners) > 1 and near else owners:
        result.setdefault(name, {})[owner] = owners[owner][0]
print(json.dumps(result))
"""
_REQUIREMENT = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Needed:
    """The packages of a script.

    Attributes
    ----------
    pinned
        Requirements as pip reads them, with the versions that the deployment's Python has.
    missing
        Imported modules that the Python has no package of.
    """

    pinned: tuple[str, ...]
    missing: tuple[str, ...]


def needed(code: Path, interpreter: Interpreter, model: Path | None) -> Needed:
    """Return what the modules in the folder `code` import, and what an MLflow model asks for.

    Parameters
    ----------
    model
        The model's files; the ``requirements.txt`` that MLflow wrote beside an ``MLmodel`` counts.

    Raises
    ------
    InterpreterMissing
        If the Python is gone.
    ValidationException
        If it does not answer.
    """
    names = sorted(set(_imported(code)))
    owners = _owners(names, interpreter)
    pinned = {
        _plain(owner): f"{owner}=={version}" for found in owners.values() for owner, version in found.items()
    }
    for line in _model_requirements(model):
        pinned.setdefault(_plain(line), line)
    of_module = {name.partition(".")[0] for name in owners}
    missing = sorted({name.partition(".")[0] for name in names} - of_module)
    return Needed(pinned=tuple(pinned[name] for name in sorted(pinned)), missing=tuple(missing))


def environment_of(name: str, interpreter: Interpreter, pinned: Iterable[str]) -> Environment:
    """Return an environment with that Python and these packages; its version changes when they do."""
    major, minor = interpreter.version.split(".")[:2]
    have = {_plain(line) for line in pinned}
    packages = [*pinned, *(line for line in AZURE_NEEDS if _plain(line) not in have)]
    conda: dict[str, Any] = {
        "channels": ["conda-forge"],
        "dependencies": [f"python={major}.{minor}", "pip", {"pip": packages}],
    }
    version = hashlib.sha256(json.dumps([IMAGE, conda]).encode()).hexdigest()[:12]
    description = f"Python {interpreter.version} and the packages that the scoring script imports"
    return Environment(name=name, version=version, description=description, image=IMAGE, conda_file=conda)


def lacks_azure_needs(environment: Environment) -> list[str]:
    """Return what Azure's runtime needs and the environment's conda file does not name."""
    conda = environment.conda_file
    if not isinstance(conda, dict):
        return [] if environment.build is not None else list(AZURE_NEEDS)
    listed = [item for item in conda.get("dependencies") or [] if isinstance(item, str)]
    for item in conda.get("dependencies") or []:
        if isinstance(item, dict):
            listed += [str(line) for line in item.get("pip") or []]
    have = {_plain(line) for line in listed}
    return [line for line in AZURE_NEEDS if _plain(line) not in have]


def _imported(code: Path) -> Iterator[str]:
    """Yield the dotted names that the modules below a folder import, but its own and those of Python itself."""
    own = {path.stem if path.is_file() else path.name for path in code.iterdir()}
    known = sys.stdlib_module_names | own | _THERE
    for path in sorted(code.rglob("*.py")):
        for name in _names(path):
            if name.partition(".")[0] not in known:
                yield name


def _names(path: Path) -> Iterator[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return  # a file that no Python reads is imported by nobody
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            if "." not in node.module:
                yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")


def _owners(names: list[str], interpreter: Interpreter) -> dict[str, dict[str, str]]:
    """Return for each module the packages that it may come from, with their versions."""
    if not os.access(interpreter.executable, os.X_OK):
        raise InterpreterMissing(executable=interpreter.executable)
    try:
        done = subprocess.run(
            [interpreter.executable, "-I", "-c", _ASK],
            input=json.dumps(names),
            capture_output=True,
            text=True,
            timeout=_ASK_SECONDS,
            check=True,
        )
        found: dict[str, dict[str, str]] = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise ValidationException(
            field="interpreter",
            value=interpreter.executable,
            reason="does not say which packages it has",
            hint="Give the deployment an environment: --environment NAME.",
        ) from error
    return found


def _model_requirements(model: Path | None) -> list[str]:
    if model is None or not (model / "MLmodel").is_file() or not (model / "requirements.txt").is_file():
        return []
    lines = (model / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if _REQUIREMENT.match(line.strip())]


def _plain(requirement: str) -> str:
    """Return the name of a package as pip compares it."""
    found = _REQUIREMENT.match(requirement)
    return re.sub(r"[-_.]+", "-", found[0] if found else requirement).lower()
