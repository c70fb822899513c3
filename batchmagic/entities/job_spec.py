"""What is frozen when a job is invoked: everything a run needs, so that later changes cannot touch it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any, Self

from batchmagic.entities.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


REDO_FAILED = "batchmagic.redo_failed_in_run"
"""The property that names the run which scores failed files again."""
MLFLOW_RUN, MLFLOW_EXPERIMENT = "mlflow.run_id", "mlflow.experiment_id"
"""The properties that name the job's run in MLflow, once there is one, and its experiment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """The Python that a deployment was made with, and that its scoring processes start from."""

    executable: str
    version: str
    prefix: str


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSpec:
    """The frozen definition of one job.

    Attributes
    ----------
    input_path
        Local path of the file or folder: absolute, or relative to the workspace if it lies in there.
    input_reference
        The input as the user named it, without credentials.
    input_within
        The folder, like `input_path`, that neither the input nor a link in it may lead out of; None: they may.
    output_path
        Folder of the output, absolute or relative as `input_path`; None: ``outputs/score`` in the job's folder.
    model_dir
        The folder that holds exactly one child, the model, relative to the workspace (``AZUREML_MODEL_DIR``).
    code_dir
        Snapshot of the code folder, relative to the workspace; None for an MLflow model without a script.
    scoring_script
        Path of the script inside `code_dir`.
    script_title
        What errors call the script in place of its file name: ``cell [5]``.
    environment
        The name of the environment that the deployment records, for the log.
    mlflow_store
        Where the job's MLflow run goes, without credentials: see `batchmagic.workspace.mlflow_runs`; None: it has none.
    mlflow_folder
        The working directory of whoever invoked, below which MLflow keeps artifacts if the store names no place.
    """

    name: str
    endpoint: str
    deployment: str
    deployment_version: int
    compute: str
    settings: Settings
    interpreter: Interpreter
    input_path: str
    input_type: str
    input_reference: str
    recursive: bool = False
    input_within: str | None = None
    output_path: str | None = None
    overwrite: bool = False
    model_name: str | None = None
    model_version: str | None = None
    model_type: str | None = None
    model_dir: str | None = None
    code_dir: str | None = None
    scoring_script: str | None = None
    script_title: str | None = None
    environment: str | None = None
    experiment_name: str | None = None
    mlflow_store: str | None = None
    mlflow_folder: str | None = None
    properties: dict[str, str] = field(default_factory=dict)

    @property
    def experiment(self) -> str:
        """The name of the MLflow experiment: the endpoint's, unless another was asked for."""
        return self.experiment_name or self.endpoint

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of JSON values that `from_json` reads back to an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the specification that `to_json` wrote, also of a newer version: what is not known is left out."""
        known = {f.name for f in fields(cls)}
        values = {key: value for key, value in stored.items() if key in known}
        values["settings"] = Settings.from_json(values["settings"])
        values["interpreter"] = Interpreter(**values["interpreter"])
        return cls(**values)
