"""What an instance is told of a job: everything its scoring processes need, in one frame that travels once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmagic.scoring import environment
from batchmagic.scoring.preload import modules_to_preload
from batchmagic.scoring.tracking.order import STORES
from batchmagic.workspace.folders import folder_in
from batchmagic.workspace.job_records import output_folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batchmagic.entities.job_spec import JobSpec

_INIT_TIMEOUTS = 3
_INIT_EXTRA = 30


def make_output_folder(spec: JobSpec, job_folder: Path) -> None:
    """Have the folder of the output; the job's own is never made anew, as where the workspace was moved away."""
    if spec.output_path:
        output_folder(spec, job_folder).mkdir(parents=True, exist_ok=True)
    else:
        folder_in(job_folder, "outputs/score")


def template_order(spec: JobSpec, secrets: Mapping[str, str], workspace: Path, log: Path) -> str:
    """Return what `batchmagic.scoring.instance.warm_template` takes for the template of a job."""
    variables = environment.template_variables(spec, secrets)
    preload = modules_to_preload(spec, workspace)
    return json.dumps([environment.check_interpreter(spec), variables, preload, str(log)])


def assignment(
    spec: JobSpec,
    secrets: Mapping[str, str],
    *,
    workspace: Path,
    job_folder: Path,
    input_root: str,
    key: str,
    epoch: int,
    nonce: str,
) -> dict[str, Any]:
    """Return the description of a job for an instance; ``instance`` is added for each.

    The limit for ``init()`` is Azure's: three times the timeout and 30 s, then a process that hangs there is
    given up.
    """
    output = output_folder(spec, job_folder)
    code = workspace / spec.code_dir if spec.code_dir else None
    script = str(code / spec.scoring_script) if code and spec.scoring_script else None
    # What is not shipped to a run goes with the rest of what the processes leave behind.
    stores = f"work/{epoch}/{STORES}" if spec.mlflow_store is None else f"{STORES}/{epoch}"
    return {
        "job": key,
        "epoch": epoch,
        "nonce": nonce,
        "job_folder": str(job_folder),
        "interpreter": environment.check_interpreter(spec),
        "variables": environment.template_variables(spec, secrets),
        "preload": modules_to_preload(spec, workspace),
        "timeout": spec.settings.timeout,
        "memory_limit": spec.settings.memory_per_slot,
        "private_tmp": "TMPDIR" not in secrets,
        "mlflow": None if "MLFLOW_TRACKING_URI" in secrets else stores,
        "init_timeout": _INIT_TIMEOUTS * spec.settings.timeout + _INIT_EXTRA,
        "child": {
            "script": script,
            "script_title": spec.script_title,
            "code_dir": str(code) if code else None,
            "mlflow_model": None if script else _model_path(spec, workspace),
            "env": environment.job_variables(spec, secrets, workspace=workspace, output=output),
            "argv": environment.arguments(
                replace(spec, input_path=str(workspace / spec.input_path)), script=script or "", output=output
            ),
            "output_format": str(spec.settings.effective_format()),
            "output_action": str(spec.settings.output_action),
            "output_dir": str(output),
            "predict_per": spec.settings.predict_per,
            "input_root": input_root,
            "logging_level": spec.settings.logging_level,
            "spawn": False,
        },
    }


def packed(description: Mapping[str, Any], instance: str) -> bytes:
    """Return the frame for one instance."""
    return json.dumps({**description, "instance": instance}).encode()


def _model_path(spec: JobSpec, workspace: Path) -> str | None:
    if spec.model_dir is None:
        return None
    # A registered model is the only child of its folder.
    return str(next((workspace / spec.model_dir).iterdir()))
