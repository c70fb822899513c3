"""What the tests of demo and README share."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import psutil

LEAVE_SECONDS = 60


def outside_world() -> dict[str, str]:
    """The variables of a user who has configured nothing, with this interpreter's commands found first."""
    hidden = {"BATCHMAGIC_WORKSPACE", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"}
    variables = {key: value for key, value in os.environ.items() if key not in hidden}
    variables["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), variables.get("PATH", os.defpath)])
    return variables


def processes_in(folder: Path) -> list[psutil.Process]:
    """The processes whose command line names `folder`."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(folder) in word for word in process.info["cmdline"] or ())
    ]
