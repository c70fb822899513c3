"""How a process of this package is started: the same interpreter, whatever the working directory."""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module` in this interpreter.

    The working directory is not on the new process's path, so that no file there can stand in for
    a module; give it `python_environment`.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def python_environment() -> dict[str, str]:
    """Return this process's variables, with which a new process finds this package from any directory."""
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]  # noqa: PTH100
    root = str(Path(__file__).resolve().parent.parent)
    # What is installed is found anyway; a checkout may have been found by the working directory only.
    if root not in paths and root not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        paths.append(root)
    variables = dict(os.environ)
    if paths:
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables
