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


__all__ = ["AssetTypes", "BatchDeploymentOutputAction", "OutputFormat", "PredictPer"]
