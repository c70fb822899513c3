"""Azure's enumerations, under Azure's names (``azure.ai.ml.constants``)."""

from enum import StrEnum


class AssetTypes(StrEnum):
    """What a path or an asset holds."""

    URI_FILE = "uri_file"
    URI_FOLDER = "uri_folder"
    MLTABLE = "mltable"
    CUSTOM_MODEL = "custom_model"
    MLFLOW_MODEL = "mlflow_model"
    TRITON_MODEL = "triton_model"


class BatchDeploymentOutputAction(StrEnum):
    """What becomes of the rows that ``run()`` returns."""

    APPEND_ROW = "append_row"
    SUMMARY_ONLY = "summary_only"


class InputOutputModes(StrEnum):
    """How a job gets at its data; accepted, as local data is read where it is."""

    MOUNT = "mount"
    DOWNLOAD = "download"
    UPLOAD = "upload"
    RO_MOUNT = "ro_mount"
    RW_MOUNT = "rw_mount"
    EVAL_MOUNT = "eval_mount"
    EVAL_DOWNLOAD = "eval_download"
    DIRECT = "direct"


class InputTypes(StrEnum):
    """What a literal input is; a batch job has none, see `AssetTypes`."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


class ListViewType(StrEnum):
    """Which of active and archived things are listed."""

    ACTIVE_ONLY = "ActiveOnly"
    ARCHIVED_ONLY = "ArchivedOnly"
    ALL = "All"


class JobType(StrEnum):
    """What a job is: what an invoke returns is a pipeline, its one child a command."""

    COMMAND = "command"
    PIPELINE = "pipeline"


class ModelType(StrEnum):
    """What the files of a model are."""

    CUSTOM = "CustomModel"
    MLFLOW = "MLFlowModel"
    TRITON = "TritonModel"


class OutputFormat(StrEnum):
    """The form of the output file (not in Azure; its own form is ``azure``)."""

    AZURE = "azure"
    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


class PredictPer(StrEnum):
    """What one ``predict`` of an MLflow model without a script gets (not in Azure, which means ``file``)."""

    FILE = "file"
    MINI_BATCH = "mini_batch"


__all__ = [
    "AssetTypes",
    "BatchDeploymentOutputAction",
    "InputOutputModes",
    "InputTypes",
    "JobType",
    "ListViewType",
    "ModelType",
    "OutputFormat",
    "PredictPer",
]
