"""Objects of the real ``azure-ai-ml`` in the place of ours, down to a job; prints one JSON line."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import azure.ai.ml as real
from azure.ai.ml import entities as theirs

from batchmagic import MLClient, entities

warnings.simplefilter("ignore")

SETTINGS = {
    "mini_batch_size": 2,
    "instance_count": 1,
    "max_concurrency_per_instance": 2,
    "output_action": "append_row",
    "output_file_name": "rows.txt",
    "error_threshold": 3,
    "logging_level": "debug",
    "environment_variables": {"GREETING": "hello"},
}
SCRIPT = """
import os

def init():
    pass

def run(mini_batch):
    return [os.environ["GREETING"] + " " + os.path.basename(path) for path in mini_batch]
"""


def made(kinds, *, nested=None):
    """The same definitions with the classes of one package; the parts of another where `nested` is given."""
    parts = nested or kinds
    model = parts.Model(name="m", path="model.bin", type="custom_model", tags={"a": "b"})
    settings = {**SETTINGS, "retry_settings": parts.BatchRetrySettings(max_retries=1, timeout=60)}
    common = {
        "name": "parts",
        "endpoint_name": "heart",
        "model": model,
        "environment": parts.Environment(name="e", image="i", conda_file="conda.yml"),
        "compute": "small",
    }
    new = kinds.ModelBatchDeployment(
        **common,
        code_configuration=parts.CodeConfiguration(code="code", scoring_script="score.py"),
        settings=parts.ModelBatchDeploymentSettings(**settings),
    )
    flat = kinds.BatchDeployment(**common, code_path="code", scoring_script="score.py", **settings)
    return {
        "endpoint": kinds.BatchEndpoint(name="Heart", description="d", default_deployment_name="parts"),
        "compute": kinds.AmlCompute(name="small", max_instances=1, tier="LowPriority", size="S"),
        "model": model,
        "data": kinds.Data(name="files", path="data", type="uri_folder"),
        "new form": new,
        "flat form": flat,
    }


def stored(client: MLClient, entity: object) -> dict:
    return client.begin_create_or_update(entity).result().to_dict()


def main() -> None:
    for folder in ("code", "data"):
        Path(folder).mkdir()
    Path("code/score.py").write_text(SCRIPT)
    Path("model.bin").write_text("weights")
    Path("conda.yml").write_text("name: x\ndependencies: [pip]\n")
    for number in range(3):
        Path(f"data/{number}.csv").write_text("1\n")
    client = MLClient()
    results, order = {}, ("endpoint", "compute", "model", "data", "new form", "flat form")
    for label, kinds, nested in (
        ("ours", entities, None),
        ("real", theirs, None),
        ("mixed", entities, theirs),
    ):
        things = made(kinds, nested=nested)
        results[label] = {name: stored(client, things[name]) for name in order}
    inputs = {"x": real.Input(type="uri_folder", path="data")}
    outputs = {"y": real.Output(type="uri_file", path="out/rows.txt")}
    job = client.batch_endpoints.invoke("heart", inputs=inputs, outputs=outputs)
    client.jobs.wait(job.name, timeout=100)
    results["output"] = Path("out/rows.txt").read_text()
    print(json.dumps(results))


if __name__ == "__main__":
    main()
