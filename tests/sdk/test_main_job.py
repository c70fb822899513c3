"""The main job through the front door, with real hosts: command line in processes of its own, and the SDK."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from batchmagic import Input, MLClient
from batchmagic.constants import AssetTypes, BatchDeploymentOutputAction
from batchmagic.entities import (
    AmlCompute,
    BatchDeployment,
    BatchEndpoint,
    BatchRetrySettings,
    Data,
    Environment,
    Model,
)
from batchmagic.errors import JobException

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import os, time

def run(mini_batch):
    rows = []
    for path in mini_batch:
        with open(path) as file:
            text = file.read().strip()
        time.sleep(float(os.environ.get("PAUSE", "0")))
        rows.append(float(text))
    return rows
"""

LOADS_THE_MODEL = """
import os
import mlflow
import pandas as pd

def init():
    global model
    model = mlflow.pyfunc.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))

def run(mini_batch):
    print(f"{len(mini_batch)} files")
    frames = [pd.read_csv(path) for path in mini_batch]
    return [row for frame in frames for row in model.predict(frame).reshape(-1, 1)]
"""


@pytest.fixture
def here(tmp_path: Path, module_workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a script and forty files, three of which are no numbers."""
    monkeypatch.setenv("BATCHMAGIC_WORKSPACE", str(module_workspace.root))
    monkeypatch.chdir(tmp_path)
    for name in ("code", "good", "bad"):
        (tmp_path / name).mkdir()
    (tmp_path / "code" / "score.py").write_text(SCRIPT)
    for number in range(40):
        (tmp_path / "good" / f"{number:02}.txt").write_text(str(number))
        (tmp_path / "bad" / f"{number:02}.txt").write_text("n/a" if number % 15 == 7 else str(number))
    return tmp_path


def batchmagic(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchmagic", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        **options,
    )


@pytest.fixture
def deployed(here: Path) -> Path:
    words = "deploy numbers/plain --code code --scoring-script score.py --mini-batch-size 2 --max-retries 0"
    done = batchmagic(*words.split())
    assert done.returncode == 0, done.stderr
    return here


def test_a_job_that_completes(deployed: Path) -> None:
    done = batchmagic("invoke", "numbers", "--input", "./good", "--output", "./out/rows.csv")
    assert done.returncode == 0, done.stderr
    assert "Completed · 20/20 mini-batches · 40 rows" in done.stderr
    assert done.stdout.startswith("40 rows in ")
    assert (deployed / "out" / "rows.csv").read_text().splitlines()[:2] == ["result,file", "0.0,00.txt"]
    rows = json.loads(batchmagic("job", "result", "last", "--rows", "0", "--format", "json").stdout)
    assert [row["result"] for row in rows] == [float(number) for number in range(40)]
    again = batchmagic("invoke", "numbers", "--input", "./good", "--output", "./out/rows.csv")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)
    assert "exists already" in again.stderr


def test_a_job_with_failed_files(deployed: Path) -> None:
    done = batchmagic("invoke", "numbers", "--input", "./bad", "--strict")
    assert done.returncode == 4, done.stderr
    assert "6 files failed: batchmagic job errors" in done.stderr
    shown = batchmagic("job", "errors", "last").stdout
    assert "could not convert string to float: 'n/a'" in shown
    assert "score.py, line 10, in run:   rows.append(float(text))" in shown


def test_a_failed_job_shows_the_scripts_error_first(deployed: Path) -> None:
    done = batchmagic(
        "invoke", "numbers", "--input", "./bad", "--error-threshold", "1", "--job-name", "amber-falcon-1"
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    first = lines.index("ValueError: could not convert string to float: 'n/a'")
    assert lines[first + 1] == "  score.py, line 10, in run:   rows.append(float(text))"
    assert lines[first + 2].startswith("  mini-batch 3, which begins with 06.txt")
    assert len(lines) - first <= 8
    client = MLClient()
    with pytest.raises(JobException, match=r"\AValueError: could not convert"):
        client.jobs.stream("amber-falcon-1")
    resumed = batchmagic("job", "resume", "amber-falcon-1", "--set", "error_threshold=-1", "--wait")
    assert resumed.returncode == 0, resumed.stderr
    assert client.jobs.get("amber-falcon-1").progress.rows == 34


def test_an_interrupted_wait_leaves_the_job_running(deployed: Path) -> None:
    words = ["invoke", "numbers", "--input", "./good", "--env", "PAUSE=0.2", "--job-name", "slow-one"]
    # A group of its own, as a shell makes one, which Ctrl-C reaches whole.
    waiting = subprocess.Popen(
        [sys.executable, "-m", "batchmagic", *words],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    for line in waiting.stderr:
        if "Running" in line:
            break
    os.killpg(waiting.pid, signal.SIGINT)
    _, rest = waiting.communicate(timeout=20)
    assert (waiting.returncode, "job slow-one goes on" in rest) == (130, True), rest
    assert MLClient().jobs.wait("slow-one", timeout=60).status == "Completed"


def test_cancel(deployed: Path) -> None:
    words = "invoke numbers --input ./good --env PAUSE=30 --no-wait --job-name endless"
    assert batchmagic(*words.split()).returncode == 0
    assert batchmagic("job", "cancel", "endless").returncode == 0
    assert batchmagic("job", "wait", "endless", "--timeout", "60").returncode == 3


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    mlflow = pytest.importorskip("mlflow", reason="optional: mlflow")
    linear = pytest.importorskip("sklearn.linear_model", reason="optional: scikit-learn")
    fitted = linear.LinearRegression().fit(pd.DataFrame({"x": [0.0, 1.0]}), [1.0, 3.0])
    path = tmp_path_factory.mktemp("saved") / "model"
    mlflow.sklearn.save_model(fitted, str(path), input_example=pd.DataFrame({"x": [0.0]}))
    return path


@pytest.fixture
def model(here: Path, saved_model: Path) -> Path:
    (here / "new-data").mkdir()
    for number in range(6):
        pd.DataFrame({"x": [float(number), number + 0.5]}).to_csv(
            here / "new-data" / f"{number}.csv", index=False
        )
    shutil.copytree(saved_model, here / "model")
    return here / "model"


@pytest.mark.parametrize("script", [False, True], ids=["mlflow", "script"])
@pytest.mark.filterwarnings("ignore")
def test_the_example_of_the_sdk(model: Path, *, script: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """The published shape of the code, line by line."""
    more = {}
    if script:
        (model.parent / "code" / "score.py").write_text(LOADS_THE_MODEL)
        environment = Environment(conda_file={"dependencies": ["python"]}, image="some/image", name="example")
        more = {"code_path": "./code", "scoring_script": "score.py", "environment": environment}
    ml_client = MLClient()
    endpoint = BatchEndpoint(name="endpoint-example", description="A batch endpoint")
    ml_client.batch_endpoints.begin_create_or_update(endpoint)
    ml_client.compute.begin_create_or_update(
        AmlCompute(
            name="aml-cluster",
            type="amlcompute",
            size="STANDARD_DS11_V2",
            min_instances=0,
            max_instances=4,
            idle_time_before_scale_down=120,
            tier="Dedicated",
        )
    )
    registered = ml_client.models.create_or_update(
        Model(name="mlflow-model", path="./model", type=AssetTypes.MLFLOW_MODEL)
    )
    deployment = BatchDeployment(
        name="forecast-script" if script else "forecast-mlflow",
        description="A sales forecaster",
        endpoint_name=endpoint.name,
        model=registered,
        compute="aml-cluster",
        instance_count=2,
        max_concurrency_per_instance=2,
        mini_batch_size=2,
        output_action=BatchDeploymentOutputAction.APPEND_ROW,
        output_file_name="predictions.csv",
        retry_settings=BatchRetrySettings(max_retries=3, timeout=300),
        logging_level="info",
        **more,
    )
    ml_client.batch_deployments.begin_create_or_update(deployment)
    version = "2" if script else "1"
    ml_client.data.create_or_update(
        Data(name="new-data", version=version, path="./new-data", type=AssetTypes.URI_FOLDER)
    )
    job = ml_client.batch_endpoints.invoke(
        endpoint_name=endpoint.name,
        deployment_name=deployment.name,
        input=Input(type=AssetTypes.URI_FOLDER, path=f"azureml:new-data:{version}"),
    )
    ml_client.jobs.stream(job.name)
    ml_client.jobs.download(name=job.name, download_path=".", output_name="score")
    assert "Status: Completed" in capsys.readouterr().out
    lines = (model.parent / "named-outputs" / "score" / "predictions.csv").read_text().splitlines()
    assert len(lines) == 12
    frame = ml_client.jobs.result(job.name)
    assert len(frame) == 12
    # The line is y = 2 x + 1.
    predicted = [row[0] for row in frame["result"]] if script else list(frame.iloc[:, 1])
    assert predicted == pytest.approx([2 * (number + half) + 1 for number in range(6) for half in (0.0, 0.5)])
