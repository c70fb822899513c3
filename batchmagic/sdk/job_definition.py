"""What a job was frozen with, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities.yaml_source import write_yaml
from batchmagic.workspace.redaction import redact

if TYPE_CHECKING:
    from batchmagic.workspace.job_records import JobRecord


def definition(record: JobRecord) -> dict[str, Any]:
    """Return the definition of the job's current run as JSON values, without secrets and without what is not set."""
    spec = record.spec
    settings = spec.settings.to_json() | {
        "output_format": str(spec.settings.effective_format()),
        # None says that it is set.
        "environment_variables": dict.fromkeys(spec.settings.environment_variables),
    }
    values = {
        "name": record.name,
        "endpoint_name": spec.endpoint,
        "deployment_name": spec.deployment,
        "deployment_version": spec.deployment_version,
        "experiment_name": spec.experiment_name,
        "run": record.run,
        "compute": spec.compute,
        "model": f"azureml:{spec.model_name}:{spec.model_version}" if spec.model_name else None,
        "scoring_script": spec.script_title or spec.scoring_script,
        "environment": spec.environment,
        "interpreter": f"{spec.interpreter.executable} ({spec.interpreter.version})",
        "input": {
            "type": spec.input_type,
            "path": spec.input_reference,
            "recursive": True if spec.recursive else None,
        },
        "output": {"path": spec.output_path, "overwrite": True if spec.overwrite else None},
        "settings": {key: str(value) if isinstance(value, str) else value for key, value in settings.items()},
        "properties": dict(spec.properties),
    }
    shown: dict[str, Any] = redact(_without_nothing(values))
    return shown


def definition_text(record: JobRecord) -> str:
    """Return `definition` as YAML."""
    return write_yaml(definition(record))


def _without_nothing(values: dict[str, Any]) -> dict[str, Any]:
    kept = {
        key: _without_nothing(value) if isinstance(value, dict) and key != "environment_variables" else value
        for key, value in values.items()
    }
    return {key: value for key, value in kept.items() if value is not None and value != {}}
