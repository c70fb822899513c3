"""The settings that a deployment and an invoke may give, their defaults, and what is in force for a job."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Self

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat, PredictPer

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """The settings in force for one job; the defaults of contract and Azure stand here and nowhere else.

    Attributes
    ----------
    mini_batch_size
        Files per call of ``run()``.
    instance_count
        Instances (Dask workers) that the job holds.
    max_concurrency_per_instance
        Scoring processes per instance; None: as many as cores and memory allow.
    output_format
        None until it is derived from the file's name.
    max_retries
        Tries after the first one, per mini-batch.
    timeout
        Seconds that one ``run(mini_batch)`` may take.
    error_threshold
        Failed files that are tolerated; None (not given) and -1 mean any number, and only None
        lets the job fail at once when nothing succeeds.
    environment_variables
        Names only; the values are in the workspace's secrets.
    memory_per_slot
        Bytes that one scoring process may use, and by which their number follows from the memory there is; None: no
        limit but the system's, and a number by what the first scoring process was seen to need.
    predict_per
        What one ``predict`` of an MLflow model without a script gets; None (not given) means a file.
    """

    mini_batch_size: int = 10
    instance_count: int = 1
    max_concurrency_per_instance: int | None = None
    output_action: BatchDeploymentOutputAction = BatchDeploymentOutputAction.APPEND_ROW
    output_file_name: str = "predictions.csv"
    output_format: OutputFormat | None = None
    max_retries: int = 3
    timeout: int = 300
    error_threshold: int | None = None
    logging_level: str = "info"
    environment_variables: tuple[str, ...] = ()
    isolate_failures: bool = False
    fail_fast: bool = True
    memory_per_slot: int | None = None
    predict_per: PredictPer | None = None

    def effective_format(self) -> OutputFormat:
        """Return the output's form: what was asked for, else by the extension of the file's name.

        Azure's own form is what a ``.csv`` or ``.txt`` means when nothing is said.
        """
        if self.output_format is not None:
            return self.output_format
        extension = self.output_file_name.rpartition(".")[2].lower()
        return {
            "jsonl": OutputFormat.JSONL,
            "ndjson": OutputFormat.JSONL,
            "parquet": OutputFormat.PARQUET,
            "pqt": OutputFormat.PARQUET,
        }.get(extension, OutputFormat.AZURE)

    def to_json(self) -> dict[str, Any]:
        """Return a dictionary of JSON values that `from_json` reads back to an equal object."""
        return asdict(self)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Return the settings that `to_json` wrote; fields that it did not know keep their defaults."""
        known = {f.name for f in fields(cls)}
        values = {k: v for k, v in stored.items() if k in known}
        values["output_action"] = BatchDeploymentOutputAction(values["output_action"])
        if values.get("output_format"):
            values["output_format"] = OutputFormat(values["output_format"])
        if values.get("predict_per"):
            values["predict_per"] = PredictPer(values["predict_per"])
        values["environment_variables"] = tuple(values.get("environment_variables", ()))
        return cls(**values)
