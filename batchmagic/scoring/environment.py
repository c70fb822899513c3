"""What a scoring process is started with: interpreter, variables and arguments.

Nothing here depends on who happened to start the host (design: "Which interpreter, which variables").
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.errors import InterpreterMissing
from batchmagic.workspace.mlflow_runs import script_variables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.entities.job_spec import JobSpec

_FROM_HOST = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
# Slots are the parallelism; a thread pool per slot on top made predictions 5 to 12 times slower.
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "BLIS_NUM_THREADS",
    "RAYON_NUM_THREADS",
)


def check_interpreter(spec: JobSpec) -> str:
    """Return the path of the job's interpreter, which then exists.

    Raises
    ------
    InterpreterMissing
        Another one is never taken in its place.
    """
    executable = spec.interpreter.executable
    if not os.access(executable, os.X_OK):
        raise InterpreterMissing(executable=executable)
    return executable


def template_variables(
    spec: JobSpec, secrets: Mapping[str, str], host: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Return the variables that a template starts with: they are the same for all jobs of a deployment.

    Parameters
    ----------
    secrets
        Of the job: of them the values of the deployment's and the job's own variables.
    host
        The host's variables, of which a short fixed list is handed on; default ``os.environ``.
    """
    given = os.environ if host is None else host
    variables = {name: given[name] for name in _FROM_HOST if name in given}
    # A script that runs "python" means the one it runs in.
    path = [str(Path(spec.interpreter.executable).parent), variables.get("PATH", os.defpath)]
    variables["PATH"] = os.pathsep.join(path)
    variables |= dict.fromkeys(_ONE_THREAD, "1")
    return variables | script_variables(secrets)


def job_variables(
    spec: JobSpec, secrets: Mapping[str, str], *, workspace: Path, output: Path
) -> dict[str, str]:
    """Return the variables that differ from job to job; a scoring process sets them before it imports the script.

    Parameters
    ----------
    output
        Folder for the script's own files (``AZUREML_BI_OUTPUT_PATH``).
    """
    variables = {
        # MLflow refuses its file store unless asked; such a store needs no server and no migration.
        "MLFLOW_ALLOW_FILE_STORE": "true",
        "AZUREML_BI_OUTPUT_PATH": str(output),
        "AZUREML_RUN_ID": f"{spec.name}-batchscoring",
        "AZUREML_NODE_COUNT": str(spec.settings.instance_count),
    }
    if spec.model_dir is not None:
        variables["AZUREML_MODEL_DIR"] = str(workspace / spec.model_dir)
    return {name: value for name, value in variables.items() if name not in secrets}


def arguments(spec: JobSpec, *, script: str, output: Path) -> list[str]:
    """Return ``sys.argv`` as Azure's driver sets it; scripts read it with ``parse_known_args``."""
    settings = spec.settings
    return [
        script,
        "--scoring_module_name",
        spec.scoring_script or "",
        "--mini_batch_size",
        str(settings.mini_batch_size),
        "--error_threshold",
        str(-1 if settings.error_threshold is None else settings.error_threshold),
        "--output_action",
        str(settings.output_action),
        "--logging_level",
        settings.logging_level.upper(),
        "--run_invocation_timeout",
        str(settings.timeout),
        "--run_max_try",
        str(settings.max_retries + 1),
        "--append_row_file_name",
        settings.output_file_name,
        "--output",
        str(output),
        "--process_count_per_node",
        str(settings.max_concurrency_per_instance or 1),
        "--input_fds_0",
        spec.input_path,
    ]
