"""`invoke -f inputs.yml`, and the older words for an input."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from batchmagic.cli.main import main
from batchmagic.entities.load import load_invocation
from batchmagic.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.workspace import Workspace

EVERYTHING = """
inputs:
  patients: {type: uri_folder, path: ../data}
outputs:
  score: {type: uri_file, path: out/rows.jsonl}
job_name: from-file
experiment_name: nightly
overwrite: true
recursive: true
mini_batch_size: 2
instance_count: 2
output_format: jsonl
retry_settings: {max_retries: 1}
settings:
  timeout: 9
environment_variables: {A: b}
no_fail_fast: true
properties: {who: me}
"""


@pytest.fixture
def submitted(project: Path, held: Workspace) -> Callable[..., JobSpec]:
    """A function that invokes and returns the job's frozen definition."""
    (project / "jobs").mkdir()

    def act(words: str, text: str | None = None) -> JobSpec:
        if text is not None:
            (project / "jobs" / "inputs.yml").write_text(text)
        assert main(["invoke", *words.split(), "--no-wait"]) == 0
        return held.jobs.list(limit=1)[0].spec

    return act


def test_a_file_says_everything(submitted, project: Path, held: Workspace) -> None:
    spec = submitted("heart -f jobs/inputs.yml", EVERYTHING)
    assert spec.input_path == str(project / "data")
    assert (spec.output_path, spec.settings.output_file_name) == (str(project / "jobs" / "out"), "rows.jsonl")
    assert (spec.name, spec.experiment_name, spec.overwrite, spec.recursive) == (
        "from-file",
        "nightly",
        True,
        True,
    )
    settings = spec.settings
    assert (settings.mini_batch_size, settings.instance_count, settings.output_format) == (2, 2, "jsonl")
    assert (settings.max_retries, settings.timeout, settings.fail_fast) == (1, 9, False)
    assert spec.properties == {"who": "me"}
    assert held.secrets.get("from-file") == {"A": "b"}


def test_what_the_line_says_goes_before_the_file(submitted, project: Path) -> None:
    (project / "other").mkdir()
    (project / "other" / "a.csv").write_text("1\n")
    spec = submitted(
        "heart/classifier -f jobs/inputs.yml --input ./other --output ./there/ --mini-batch-size 3 --job-name mine "
        "--set timeout=8 max_retries=0",
        "deployment_name: nix\n" + EVERYTHING,
    )
    assert (spec.input_path, spec.output_path) == (str(project / "other"), str(project / "there"))
    assert (spec.name, spec.settings.mini_batch_size) == ("mine", 3)
    assert (spec.settings.timeout, spec.settings.max_retries) == (8, 0)


def test_set_reaches_the_inputs_of_the_file_and_names_one_without_a_file(submitted, project: Path) -> None:
    spec = submitted(
        f"heart -f jobs/inputs.yml --set inputs.patients.path={project}/data/1.csv inputs.patients.type=uri_file",
        EVERYTHING,
    )
    assert spec.input_path == str(project / "data" / "1.csv")
    assert submitted("heart --set inputs.x.path=./data").input_path == str(project / "data")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("inputs: {x: ../data}", "data"),
        ("inputs: {x: {path: ../data/0.csv, type: uri_file}}", "data/0.csv"),
        ("inputs:\n  x:\n    path: azureml:patients@latest", "data"),
    ],
)
def test_forms_of_an_input(submitted, project: Path, text: str, path: str) -> None:
    main(["data", "create", "patients", "--path", "./data"])
    assert submitted("heart -f jobs/inputs.yml", text).input_path == str(project / path)


def test_azures_own_file_with_literals_beside_the_schema_is_refused_by_name(
    project: Path, held, capsys
) -> None:
    (project / "i.yml").write_text("$schema: x\ninputs: {limit: {type: integer, default: 3}}")
    assert main(["invoke", "heart", "-f", "i.yml"]) == 2
    assert (
        "An input of type 'integer' cannot be scored: a model deployment reads files"
        in capsys.readouterr().err
    )


def test_a_dry_run_can_stand_in_the_file(project: Path, held: Workspace, capsys) -> None:
    (project / "i.yml").write_text("inputs: {x: data}\ndry_run: true\n")
    assert main(["invoke", "heart", "-f", "i.yml"]) == 0
    assert "mini_batches" in capsys.readouterr().out
    assert held.jobs.list() == []


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("input: {x: {path: a}}", 1, 1, "Did you mean 'inputs'"),
        ("inputs:\n  x:\n    pth: a", 3, 5, "Did you mean 'path'"),
        ("inputs:\n  x:\n    path: a\n    type: uri_foldr", 4, 11, "Did you mean 'uri_folder'"),
        ("inputs:\n  x:\n    path: azureml:a/b", 3, 11, "has a slash"),
        ("mini_batch_sise: 3", 1, 1, "Did you mean 'mini_batch_size'"),
        ("settings:\n  retry_settings: {timout: 3}", 2, 20, "Did you mean 'timeout'"),
        ("mini_batch_size: many", 1, 18, "must be a whole number"),
        ("overwrite: perhaps", 1, 12, "must be true or false"),
        ("- a", 1, 1, "a definition is a mapping"),
    ],
)
def test_an_error_has_line_and_column(text: str, line: int, column: int, words: str, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        load_invocation(text, origin=tmp_path, name="inputs.yml")
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)


@pytest.mark.parametrize(
    ("word", "path", "kind"),
    [("folder:./data", "data", "uri_folder"), ("file:./data/1.csv", "data/1.csv", "uri_file")],
)
def test_words_of_azures_older_command_line(
    submitted, project: Path, word: str, path: str, kind: str
) -> None:
    spec = submitted(f"heart --input {word}")
    assert (spec.input_path, spec.input_type) == (str(project / path), kind)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("heart --input file:./data", "is a folder, and its type says uri_file"),
        ("heart --input folder:https://host/data", "is on the web (https://), not on this machine"),
        ("heart", "invoke needs an input. For example: batchmagic invoke heart --input ./patients"),
        ("heart -f nowhere.yml", "there is no such file"),
    ],
)
def test_what_is_no_input(project: Path, held, words: str, told: str, capsys) -> None:
    assert main(["invoke", *words.split()]) == 2
    assert told in capsys.readouterr().err
