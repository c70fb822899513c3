"""Python and the packages that carry batchmagic, here and in the interpreters that deployments froze."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from typing import TYPE_CHECKING

import batchmagic
from batchmagic.entities.status import TERMINAL
from batchmagic.sdk.doctor.finding import Finding, broken, look, ok
from batchmagic.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.sdk.doctor.finding import Patient

_DISTRIBUTION = "batchmagic"
_PYTHON = (3, 11)
_ASK_SECONDS = 20.0
_ASKED = 5


def findings(patient: Patient | None) -> Iterator[Finding]:
    """Yield how the packages here are, then the interpreters of the workspace."""
    yield from _python()
    yield from _floors()
    if patient is not None and patient.contents is not None:
        yield from _interpreters(patient)


def _python() -> Iterator[Finding]:
    text = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info[:2] < _PYTHON:
        yield broken("python", f"{text}, older than 3.11", do="python3.11 -m pip install batchmagic")
    else:
        yield ok("python", text)


def _floors() -> Iterator[Finding]:
    """Compare what is installed with what batchmagic asks for."""
    try:
        distribution = metadata.distribution(_DISTRIBUTION)
    except metadata.PackageNotFoundError:
        text = (
            f"{batchmagic.__version__} runs from a folder and is not installed; its packages are not compared"
        )
        yield look(_DISTRIBUTION, text, do="pip install --editable .")
        return
    wrong = list(_wrong(distribution.requires or []))
    yield from wrong
    if not wrong:
        number = counted(len(distribution.requires or []), "package")
        yield ok(_DISTRIBUTION, f"{batchmagic.__version__}; {number} that it stands on are new enough")


def _wrong(requires: list[str]) -> Iterator[Finding]:
    from packaging.requirements import Requirement  # noqa: PLC0415 - Dask brings it

    for text in requires:
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        do = f'pip install "{wanted.name}{wanted.specifier}"'
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield broken(wanted.name, f"is not installed, and batchmagic needs {wanted.specifier}", do=do)
            continue
        if not wanted.specifier.contains(version, prereleases=True):
            yield broken(
                wanted.name, f"{version} is installed, and batchmagic needs {wanted.specifier}", do=do
            )


def _interpreters(patient: Patient) -> Iterator[Finding]:
    """Look whether the interpreters are still there, and MLflow in those that score MLflow models."""
    assert patient.contents is not None  # noqa: S101 - the caller has looked
    used: dict[str, list[str]] = {}
    for deployment in patient.contents.deployments:
        used.setdefault(deployment.interpreter, []).append(f"deployment {deployment.name}")
    for job in patient.contents.jobs:
        if job.status not in TERMINAL:
            used.setdefault(job.interpreter, []).append(f"job {job.name}")
    gone = [executable for executable in used if not os.access(executable, os.X_OK)]
    for executable in gone:
        yield broken(
            "interpreter",
            f"{executable} does not exist any more; {', '.join(used[executable][:3])} cannot run",
            do=f"{patient.command} deploy ENDPOINT/DEPLOYMENT …",
        )
    if used and not gone:
        yield ok(
            "interpreters", f"{counted(len(used), 'interpreter')} of deployments and unfinished jobs there"
        )
    mlflow = (
        {d.interpreter: d.name for d in patient.contents.deployments if d.is_mlflow}
        if patient.contents
        else {}
    )
    for executable, name in list(mlflow.items())[:_ASKED]:
        if executable not in gone:
            yield _mlflow(executable, name)


def _mlflow(executable: str, deployment: str) -> Finding:
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('mlflow') is None)"
    try:
        done = subprocess.run(
            [executable, "-c", code],
            capture_output=True,
            timeout=_ASK_SECONDS,
            check=False,
            cwd="/",
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return broken("interpreter", f"{executable} does not answer: {error}", do=f"{executable} --version")
    if done.returncode:
        return broken(
            "mlflow",
            f"is not installed for {executable}, which scores the MLflow model of {deployment}",
            do=f"{executable} -m pip install mlflow",
        )
    return ok("mlflow", f"there for {deployment}")
