"""The parts of the demo, in order."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic import Input, MLClient
from batchmagic.cli.progress import follow_job
from batchmagic.constants import AssetTypes
from batchmagic.demo import digits
from batchmagic.demo.figures import Figures, count
from batchmagic.demo.folder import WORKSPACE, end_computes
from batchmagic.demo.notebook import QUICKSTART, run_quickstart
from batchmagic.demo.screen import Screen, quiet
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, CodeConfiguration, Model
from batchmagic.errors import JobException

if TYPE_CHECKING:
    import pandas as pd

COMPUTE = "demo"
IDLE_SECONDS = 5
_ENDPOINT = "digits"
_PLAIN, _SCRIPT = "mlflow", "script"
_SHOWN = 6
_HEAD, _TAIL = 11, 1
_HASH = re.compile(r"\b([0-9a-f]{8})[0-9a-f]{56}\b")


class Story:
    """Tells it on a screen.

    Parameters
    ----------
    folder
        Where everything is made; the working directory.
    shown_from
        The folder that shown paths begin at.
    """

    def __init__(self, screen: Screen, folder: Path, *, shown_from: Path) -> None:
        self._screen = screen
        self._folder = folder
        self._from = shown_from
        self._client = MLClient(folder / WORKSPACE)
        self._client.session.tell = lambda _: None

    def tell(self) -> None:
        """Run the whole demo."""
        self._screen.title("batchmagic", "batch endpoints on this machine, with handwritten digits")
        try:
            data = self._train()
            self._deploy()
            plain = self._invoke(_PLAIN, "the MLflow model alone, without a scoring script")
            script = self._invoke(_SCRIPT, "the same model in a scoring script of our own")
            self._logs(script)
            self._predictions(data, plain, script)
            broken = self._break()
            self._mend(broken)
            self._notebook()
            self._look_around(script)
        finally:
            self._client.session.close()

    # --- before scoring

    def _train(self) -> digits.Digits:
        screen = self._screen
        screen.heading("Train")
        with quiet():
            data = digits.load()
            model = digits.train(data)
            digits.save_model(model, data, self._folder / "model")
        digits.write_sheets(data, self._folder / "sheets")
        screen.fact(
            "data", f"{len(data.digits) + len(data.known):,} handwritten digits that come with scikit-learn"
        )
        screen.fact("learned from", f"{len(data.digits):,} of them: StandardScaler, LogisticRegression")
        screen.fact(
            "to score", f"{len(data.known):,} others in {digits.FILES} CSV files", self._short("sheets")
        )
        screen.fact("model", "in MLflow's format", self._short("model"))
        return data

    def _deploy(self) -> None:
        screen, client = self._screen, self._client
        screen.heading("Register and deploy", "one model, one endpoint, two deployments")
        with quiet():
            model = client.models.create_or_update(
                Model(name=_ENDPOINT, path="./model", type=AssetTypes.MLFLOW_MODEL)
            )
        shutil.copytree(Path(__file__).parent / "code", "code", ignore=shutil.ignore_patterns("__pycache__"))
        client.compute.begin_create_or_update(
            AmlCompute(name=COMPUTE, max_instances=1, idle_time_before_scale_down=IDLE_SECONDS)
        )
        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=_ENDPOINT))
        for name, code in ((_PLAIN, None), (_SCRIPT, CodeConfiguration("./code", "score.py"))):
            client.batch_deployments.begin_create_or_update(
                BatchDeployment(
                    name=name,
                    endpoint_name=_ENDPOINT,
                    model=model,
                    compute=COMPUTE,
                    mini_batch_size=2,
                    output_format="csv",
                    code_configuration=code,
                )
            )
        screen.fact("model", f"{model.name}:{model.version}", "copied, hashed, read-only")
        screen.fact("endpoint", _ENDPOINT)
        screen.fact("deployments", f"{_ENDPOINT}/{_PLAIN}", "MLflow model, no script")
        screen.fact("", f"{_ENDPOINT}/{_SCRIPT}", f"the script {self._short('code/score.py')}")

    # --- scoring

    def _invoke(self, deployment: str, about: str) -> str:
        self._screen.heading(f"Invoke {_ENDPOINT}/{deployment}", about)
        job = self._client.batch_endpoints.invoke(
            _ENDPOINT, deployment_name=deployment, input=Input(type=AssetTypes.URI_FOLDER, path="./sheets")
        )
        self._follow(job.name)
        self._client.jobs.result(job.name)  # a job that failed must end the demo, with its error
        return job.name

    def _follow(self, job: str) -> None:
        sys.stdout.flush()
        follow_job(self._client.session, job)

    # --- what came of it

    def _logs(self, job: str) -> None:
        screen, logs = self._screen, self._client.jobs.logs
        screen.heading("What the job logged")
        for name in ("job_progress_overview.txt", "job_result.txt"):
            screen.say(name, style="dim")
            screen.quote([self._shorter(line) for line in logs(job, name).rstrip().splitlines()])

    def _predictions(self, data: digits.Digits, plain: str, script: str) -> None:
        screen, jobs = self._screen, self._client.jobs
        screen.heading(
            "What was predicted", f"the first {_SHOWN} of {len(data.known):,} rows of {_ENDPOINT}/{_SCRIPT}"
        )
        rows = jobs.result(script)
        screen.table(
            ["file", "line", "digit", "confidence", "known"],
            [
                [str(row.file), str(row.line), str(row.digit), f"{row.confidence:.3f}", str(known)]
                for row, known in zip(rows.head(_SHOWN).itertuples(), data.known, strict=False)
            ],
        )
        answers = {_PLAIN: jobs.result(plain)["prediction"], _SCRIPT: rows["digit"]}
        found = {
            name: self._figures(job, answers[name], data)
            for name, job in ((_PLAIN, plain), (_SCRIPT, script))
        }
        screen.say()
        screen.table(
            ["deployment", "correct", "accuracy", "scored in", "files/s", "rows/s"],
            [_row(f"{_ENDPOINT}/{name}", figures) for name, figures in found.items()],
        )
        same = int((answers[_PLAIN].to_numpy() == answers[_SCRIPT].to_numpy()).sum())
        total = len(data.known)
        screen.say()
        screen.say(
            f"Both agree on all {total:,} digits."
            if same == total
            else f"They agree on {same:,} of {total:,} digits."
        )

    def _figures(self, job: str, answers: pd.Series[int], data: digits.Digits) -> Figures:
        report = self._job_folder(job) / "logs/sys/job_report/processed_mini-batches.csv"
        return count([int(a) for a in answers], data.known, files=digits.FILES, report=report)

    # --- an error

    def _break(self) -> str:
        screen, client = self._screen, self._client
        screen.heading("What an error looks like", "on purpose: this job is meant to fail")
        broken = digits.write_broken_sheets(self._folder / "sheets", self._folder / "broken-sheets")
        screen.say(
            f"{digits.BROKEN_FILES} sheets; in {broken.name} a grey value reads {digits.SMUDGE!r}. No failed file is tolerated."
        )
        job = client.batch_endpoints.invoke(
            _ENDPOINT,
            deployment_name=_SCRIPT,
            input=Input(type=AssetTypes.URI_FOLDER, path="./broken-sheets"),
            params_override=[{"mini_batch_size": 1, "error_threshold": 0}],
        )
        self._follow(job.name)
        try:
            client.jobs.result(job.name)
        except JobException as error:
            screen.say()
            screen.say("what a notebook or a script gets", style="dim")
            screen.quote(str(error).splitlines(), style="red")
        for name in ("failed_files.csv", "job_error.txt"):
            screen.say()
            screen.say(name, style="dim")
            lines = client.jobs.logs(job.name, name).rstrip().splitlines()
            screen.quote(_without_the_middle([self._shorter(line) for line in lines]))
        return job.name

    def _mend(self, job: str) -> None:
        screen, client = self._screen, self._client
        screen.heading("Going on in spite of it", "the same job, resumed with error_threshold=-1")
        client.jobs.resume(job, params_override=[{"error_threshold": -1}])
        self._follow(job)
        rows = client.jobs.result(job)
        scored = rows["file"].nunique()
        screen.say(f"{len(rows)} rows from {scored} good files; what was done before was not done again.")

    def _notebook(self) -> None:
        screen = self._screen
        if not QUICKSTART.exists():
            return  # this is an installed package, without a checkout around it
        screen.heading("The same in a notebook", "the quickstart runs, from top to bottom")
        began, folder = time.monotonic(), self._folder / "quickstart"
        try:
            done = run_quickstart(folder)
        finally:
            end_computes(folder)
        screen.fact("ran", f"{done.cells} cells in {time.monotonic() - began:.0f} s")
        screen.fact("as a page", self._short(done.page))
        screen.fact("as a notebook", self._short(done.notebook), "`make lab` opens it in JupyterLab")

    def _look_around(self, job: str) -> None:
        screen = self._screen
        screen.heading("Look around")
        screen.fact("predictions", self._short(self._job_folder(job) / "outputs/score/predictions.csv"))
        screen.fact("the compute", f"leaves by itself after {IDLE_SECONDS} s without work")
        screen.say()
        program = self._program()
        screen.commands(
            [
                (f"cd {self._short('.')}", "the workspace is found from here"),
                (f"{program} job list", "the jobs"),
                (f"{program} job show {job}", "one of them"),
                (f"{program} invoke {_ENDPOINT}/{_SCRIPT} --input ./sheets", "another one"),
            ]
        )

    # --- words

    def _job_folder(self, job: str) -> Path:
        return self._client.session.read().job_dir(job)

    def _short(self, path: str | Path) -> str:
        return os.path.relpath(self._folder / path, self._from)

    def _shorter(self, text: str) -> str:
        text = text.replace(f"{self._folder}/", f"{self._short('.')}/")
        return _HASH.sub(r"\1…", text)

    def _program(self) -> str:
        program = Path(sys.executable).parent / "batchmagic"
        found = shutil.which("batchmagic")
        if (found and Path(found) == program) or not program.exists():
            return "batchmagic"
        return os.path.relpath(program, self._folder) if program.is_relative_to(self._from) else str(program)


def _without_the_middle(lines: list[str]) -> list[str]:
    left_out = len(lines) - _HEAD - _TAIL
    return lines if left_out <= 1 else [*lines[:_HEAD], f"    … {left_out} more lines …", *lines[-_TAIL:]]


def _row(name: str, figures: Figures) -> list[str]:
    return [
        name,
        f"{figures.correct:,} of {figures.rows:,}",
        f"{figures.accuracy:.1%}",
        f"{figures.seconds:.2f} s",
        f"{figures.files / figures.seconds:,.0f}",
        f"{figures.rows / figures.seconds:,.0f}",
    ]
