"""An endpoint with a deployment of every sort, exported, and an `az` that writes down how it is called."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from batchmagic import MLClient
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Environment, Model

SECRET = "n0body-may-see-this"

SCRIPT = """
import os
from pathlib import Path

import helper
import yaml
from google_is_not_here import nothing


def run(mini_batch):
    return [helper.name(path) for path in mini_batch]
"""
QUIET = """
import helper


def run(mini_batch):
    return [helper.name(path) for path in mini_batch]
"""

FAKE_AZ = """\
#!{python}
import json, os, sys, shutil
words = sys.argv[2:]
if words[1] == "show":
    sys.exit(3)
kept = dict(words=words)
if "--file" in words:
    name = words[words.index("--file") + 1]
    kept["file"] = name if os.path.exists(name) and not os.path.isabs(name) else None
    kept["text"] = open(name).read()
with open({log!r}, "a") as log:
    log.write(json.dumps(kept) + "\\n")
"""


def client_in(root: Path) -> MLClient:
    found = MLClient(root)
    found.session.tell = lambda line: None
    return found


def write_code(folder: Path, script: str = QUIET) -> Path:
    folder.mkdir(parents=True)
    (folder / "score.py").write_text(script)
    (folder / "helper.py").write_text("import os\n\n\ndef name(path):\n    return os.path.basename(path)\n")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def define(client: MLClient, folder: Path) -> None:
    """Define the endpoint `heart` with the deployments `plain` (nothing given), `full` (everything) and `quiet`."""
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "model.pkl").write_text("weights")
    code = write_code(folder / "code", SCRIPT)
    client.batch_endpoints.begin_create_or_update(
        BatchEndpoint(name="heart", description="defaults: of hearts", tags={"a": "1"}, properties={"b": "2"})
    )
    client.compute.begin_create_or_update(
        AmlCompute(name="night", max_instances=3, size="STANDARD_D2", tier="low_priority", tags={"c": "d"})
    )
    client.models.create_or_update(
        Model(
            name="risk",
            path=str(folder / "model"),
            description="risks",
            tags={"e": "f"},
            properties={"g": "h"},
        )
    )
    client.environments.create_or_update(
        Environment(
            name="env",
            conda_file={"dependencies": ["python=3.11", {"pip": ["azureml-core"]}]},
            tags={"i": "j"},
            properties={"k": "l"},
        )
    )
    plain = BatchDeployment(
        name="plain",
        endpoint_name="heart",
        model="azureml:risk:1",
        code_path=str(code),
        scoring_script="score.py",
    )
    full = BatchDeployment(
        name="full",
        endpoint_name="heart",
        description="all of it",
        tags={"m": "n"},
        properties={"o": "p"},
        model="risk@latest",
        environment="env",
        compute="night",
        code_path=str(code),
        scoring_script="score.py",
        instance_count=2,
        mini_batch_size=7,
        max_concurrency_per_instance=3,
        output_file_name="rows.jsonl",
        max_retries=1,
        timeout=99,
        error_threshold=-1,
        logging_level="debug",
        environment_variables={"TOKEN": SECRET, "PATH": SECRET},
        output_format="jsonl",
        isolate_failures=True,
        fail_fast=False,
        memory_per_slot="2GB",
    )
    quiet = BatchDeployment(
        name="quiet",
        endpoint_name="heart",
        model="azureml:risk",
        output_action="summary_only",
        code_path=str(write_code(folder / "quiet")),
        scoring_script="score.py",
    )
    for deployment in (plain, full, quiet):
        client.batch_deployments.begin_create_or_update(deployment)
    endpoint = client.batch_endpoints.get("heart")
    endpoint.defaults.deployment_name = "full"
    client.batch_endpoints.begin_create_or_update(endpoint)


def definitions(folder: Path) -> dict[str, Path]:
    """Return the definitions of an export by their paths in it."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*.yml"))}


def kind_of(name: str) -> str:
    return Path(name).stem


def read(path: Path) -> dict[str, Any]:
    return yaml.safe_load(path.read_text())


def run_script(export: Path, scratch: Path, **variables: str) -> tuple[int, str, list[dict[str, Any]]]:
    """Run `deploy.sh` with an `az` that does nothing; return its code, what it says, and how `az` was called."""
    scratch.mkdir()
    log = scratch / "log"
    az = scratch / "az"
    az.write_text(FAKE_AZ.format(python=sys.executable, log=str(log)))
    az.chmod(0o755)
    environment = {"PATH": f"{scratch}:{os.environ['PATH']}", "TMPDIR": str(scratch), **variables}
    done = subprocess.run(
        [str(export / "deploy.sh")],
        cwd=scratch,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    calls = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    return done.returncode, done.stdout + done.stderr, calls


def shell_check(script: Path) -> None:
    assert subprocess.run(["bash", "-n", str(script)], check=False).returncode == 0
    if shutil.which("shellcheck"):
        assert subprocess.run(["shellcheck", str(script)], check=False).returncode == 0
