"""Scoring scripts in the styles that are found in the wild: what each must find around it, and the bytes it must give.

All are deployed to one endpoint from YAML in Azure's form and run one after the other on one worker, so that anything
that one of them leaves behind would show in the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from main_job_support import COMPUTE, Lab
from scripts_support import HERE, STYLES, expected, write_input

from batchmagic import load_batch_deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMS = [
    (style, form)
    for style in STYLES
    for form in ("azure", "csv", "jsonl")
    if (HERE / style / f"expected.{form}").exists()
]


class Styles:
    """A job of each style in each form that has an expectation."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.jobs: dict[tuple[str, str], str] = {}

    def start(self, style: str) -> None:
        """Deploy the style and queue its jobs."""
        deployment = load_batch_deployment(HERE / style / "deployment.yml")
        self.lab.client.batch_deployments.begin_create_or_update(deployment).result()
        data = write_input(style, self.lab.folder)
        for form in [form for name, form in FORMS if name == style] or ["none"]:
            overrides = {} if form in {"azure", "none"} else {"output_format": form}
            self.jobs[style, form] = self.lab.invoke(deployment.name, data, **overrides)

    def ended(self, style: str, form: str = "azure") -> str:
        """Return the name of a style's job, which has completed."""
        record = self.lab.ended(self.jobs[style, form])
        assert record.status == "Completed", (record.status_detail, record.error)
        return record.name


@pytest.fixture(scope="module")
def styles(module_workspace) -> Iterator[Styles]:
    lab = Lab(module_workspace)
    lab.compute(COMPUTE, max_instances=1)
    found = Styles(lab)
    for style in STYLES:
        found.start(style)
    yield found
    lab.close()


def test_every_style_has_its_bytes():
    without = {style for style in STYLES if style not in {name for name, _ in FORMS}}
    assert without == {"own_files_summary_only"}
    assert len(STYLES) > 12


@pytest.mark.parametrize(("style", "form"), FORMS, ids=["-".join(pair) for pair in FORMS])
def test_the_output_is_what_it_must_be(styles, style, form):
    name = styles.ended(style, form)
    assert styles.lab.output(name) == expected(style, form)


def logs(styles, style, kind):
    """Return what the processes of a style's job wrote in logs of one kind."""
    folder = styles.lab.logs(styles.ended(style)) / "user" / kind
    return "".join(path.read_text() for path in sorted(folder.rglob("*.txt")))


def test_what_a_script_says_is_in_its_log(styles):
    said = logs(styles, "argparse_at_import", "stdout")
    assert "INFO score: init with DEBUG" in said
    assert said.count("WARNING score: run with 2 files") == said.count("printed by run\n") == 2
    helped = logs(styles, "entry_script_helper", "entry_script_log")
    assert [line.partition("|INFO|")[2] for line in helped.splitlines()] == [
        "init() of process000",
        "run() of ['Z.CSV']",
        "run() of ['a.csv']",
        "run() of ['b c.csv']",
        "run() of ['é.csv']",
    ]
    told = logs(styles, "mlflow_pyfunc_load", "stdout")
    assert told.count("load_model is called in its place") == 1


def test_files_of_several_processes_stand_side_by_side(styles):
    name = styles.ended("own_files_summary_only", "none")
    output = styles.lab.root / "jobs" / name / "outputs" / "score"
    found = [path.name for path in output.iterdir()]
    scored = sorted(file.partition("-")[2].partition("-")[2] for file in found if file.endswith(".parquet"))
    assert scored == ["Z.parquet", "a.parquet", "b c.parquet", "é.parquet"]
    writers = {file.rpartition("-")[0] for file in found if file.endswith(".parquet")}
    assert {file.removesuffix(".ended") for file in found if file.endswith(".ended")} == writers
    assert len(found) == 4 + len(writers)
    progress = styles.lab.job(name).progress
    assert (progress.completed, progress.failed, progress.rows) == (4, 0, 4)


def test_rows_without_a_type_in_common_come_back_as_text(styles):
    rows = styles.lab.client.jobs.result(styles.ended("list_of_anything"))["result"].tolist()
    assert rows == expected("list_of_anything", "azure").decode().splitlines()


def test_rows_that_are_missing_are_a_warning(styles):
    record = styles.lab.job(styles.ended("fewer_rows_than_files"))
    assert record.status_detail.startswith("Warning: 2 rows for 4 files")
