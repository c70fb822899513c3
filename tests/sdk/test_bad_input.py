"""Bad input is one clear line, and changes nothing: neither a row nor a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sdk_support import script_deployment

from batchmagic import Input, MLClient, Output
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, CodeConfiguration, Data, Model
from batchmagic.entities.job_spec import Interpreter
from batchmagic.errors import (
    InputError,
    InterpreterMissing,
    InvalidName,
    OutputExists,
    ResourceExistsError,
    ResourceNotFoundError,
    ScriptError,
    UnknownField,
    UsageError,
    ValidationException,
)

if TYPE_CHECKING:
    from pathlib import Path


def refused(state, kind: type[UsageError], act) -> str:
    before = state()
    with pytest.raises(kind) as caught:
        act()
    assert state() == before
    text = str(caught.value)
    assert "\n" not in text
    return text


INVOKES = {
    "missing folder": (
        InputError,
        "no folder 'nowhere'",
        {"input": Input(type="uri_folder", path="nowhere")},
    ),
    "nearly right folder": (InputError, "Did you mean 'data'?", {"input": Input(path="./dat")}),
    "empty folder": (InputError, "is empty", {"input": Input(path="./empty")}),
    "nested files only": (InputError, "--recursive", {"input": Input(path="./nested")}),
    "file given as folder": (
        InputError,
        "is a file",
        {"input": Input(type="uri_folder", path="./data/0.csv")},
    ),
    "folder given as file": (InputError, "is a folder", {"input": Input(type="uri_file", path="./data")}),
    "no input": (InputError, "exactly one input", {}),
    "two inputs": (InputError, "exactly one input", {"inputs": {"a": "./data", "b": "./data"}}),
    "literal input": (InputError, "cannot be scored", {"input": Input(type="string", path="./data")}),
    "elsewhere": (InputError, "not on this machine", {"input": Input(path="https://example.org/data/")}),
    "unknown data asset": (
        ResourceNotFoundError,
        "no data 'patients'",
        {"input": Input(path="azureml:patients:1")},
    ),
    "unknown deployment": (
        ResourceNotFoundError,
        "Did you mean 'classifier'?",
        {"deployment_name": "clasifier"},
    ),
    "unknown override": (UnknownField, "mini_batch_size", {"params_override": [{"mini_batch_sise": 3}]}),
    "bad number": (ValidationException, "whole number", {"params_override": [{"mini_batch_size": "many"}]}),
    "too many instances": (
        ValidationException,
        "raise max_instances",
        {"params_override": {"instance_count": 3}},
    ),
    "unknown compute": (ResourceNotFoundError, "no compute", {"params_override": {"compute": "nix"}}),
    "output exists": (OutputExists, "--overwrite", {"outputs": {"score": Output(path="./out")}}),
    "output file exists": (OutputExists, "rows.csv", {"outputs": {"score": "./out/rows.csv"}}),
    "output below a file": (ValidationException, "is a file", {"outputs": {"score": "./data/0.csv/out/"}}),
    "output is the input": (ValidationException, "is the input folder", {"outputs": {"score": "./data/"}}),
    "output is a link to the input": (
        ValidationException,
        "is the input folder",
        {"outputs": {"score": "./link-to-data/"}},
    ),
    "output file is a link to nothing": (
        OutputExists,
        "lost.csv",
        {"outputs": {"score": "./out/lost.csv"}},
    ),
    "output folder is a link to nothing": (
        ValidationException,
        "a link to nothing",
        {"outputs": {"score": "./link-to-nothing/inner/"}},
    ),
    "two outputs": (ValidationException, "one output", {"outputs": {"a": "./a", "b": "./b"}}),
    "job name with a slash": (InvalidName, "letters, digits", {"job_name": "a/b"}),
    "job name `last`": (ValidationException, "another name", {"job_name": "last"}),
    "variable without value": (
        UsageError,
        "no value",
        {"params_override": {"environment_variables": {"A": None}}},
    ),
}


@pytest.mark.parametrize("case", INVOKES)
def test_invoke(case: str, project: Path, client: MLClient, state) -> None:
    (project / "empty").mkdir()
    (project / "nested" / "inner").mkdir(parents=True)
    (project / "nested" / "inner" / "a.csv").write_text("1\n")
    (project / "out").mkdir()
    (project / "out" / "predictions.csv").write_text("kept\n")
    (project / "out" / "rows.csv").write_text("kept\n")
    (project / "out" / "lost.csv").symlink_to(project / "nowhere.csv")
    (project / "link-to-data").symlink_to(project / "data")
    (project / "link-to-nothing").symlink_to(project / "nowhere")
    kind, words, arguments = INVOKES[case]
    if case != "no input" and not arguments.keys() & {"input", "inputs"}:
        arguments = {"input": Input(path="./data"), **arguments}
    text = refused(state, kind, lambda: client.batch_endpoints.invoke("heart", **arguments))
    assert words in text


def test_invoke_of_unknown_endpoint(client: MLClient, state) -> None:
    text = refused(
        state, ResourceNotFoundError, lambda: client.batch_endpoints.invoke("hearts", input="./data")
    )
    assert "Did you mean 'heart'?" in text


def test_invoke_of_endpoint_without_deployment(client: MLClient, state) -> None:
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="bare"))
    text = refused(
        state, ResourceNotFoundError, lambda: client.batch_endpoints.invoke("bare", input="./data")
    )
    assert "has no deployment" in text


def test_invoke_without_default_lists_the_deployments(client: MLClient, state) -> None:
    client.batch_deployments.begin_create_or_update(script_deployment("other"))
    text = refused(state, UsageError, lambda: client.batch_endpoints.invoke("heart", input="./data"))
    assert "classifier, other" in text


def test_invoke_when_the_interpreter_has_vanished(client: MLClient, state) -> None:
    gone = Interpreter(executable="/nowhere/python", version="3.11.0", prefix="/nowhere")
    client.batch_deployments.begin_create_or_update(script_deployment(), interpreter=gone)
    text = refused(state, InterpreterMissing, lambda: client.batch_endpoints.invoke("heart", input="./data"))
    assert "/nowhere/python" in text


SCRIPTS = {
    "no run": ("def init():\n    pass\n", "score.py has no run(mini_batch)"),
    "nearly run": ("def runn(mini_batch):\n    return []\n", "Is runn(), line 1, meant to be it?"),
    "syntax error": ("x = 1\ndef run(mini_batch)\n    return []\n", "score.py, line 2: expected ':'"),
    "run without argument": ("def run():\n    return []\n", "line 1: run() takes no mini-batch"),
    "coroutine": ("async def run(mini_batch):\n    return []\n", "coroutine"),
    "null byte": ("def run(mini_batch):\n    return []\n\0", "score.py"),
}


@pytest.mark.parametrize("case", SCRIPTS)
def test_deployment_of_a_script(case: str, project: Path, client: MLClient, state) -> None:
    source, words = SCRIPTS[case]
    (project / "code" / "score.py").write_text(source)
    deployment = script_deployment("another")
    text = refused(state, ScriptError, lambda: client.batch_deployments.begin_create_or_update(deployment))
    assert words in text


GOOD_SCRIPTS = {
    "imported run": "from helper import run\n",
    "star import": "from helper import *\n",
    "assigned run": "run = lambda mini_batch: list(mini_batch)\n",
    "conditional run": "try:\n    import x\nexcept ImportError:\n    def run(files):\n        return []\n",
    "star argument": "def run(*args):\n    return []\n",
    "escape that warns": "def run(mini_batch):\n    return ['\\d']\n",
}


@pytest.mark.parametrize("case", GOOD_SCRIPTS)
def test_scripts_that_can_be_deployed(case: str, project: Path, client: MLClient) -> None:
    (project / "code" / "score.py").write_text(GOOD_SCRIPTS[case])
    assert (
        client.batch_deployments.begin_create_or_update(script_deployment("another")).result().name
        == "another"
    )


DEPLOYMENTS = {
    "unknown endpoint": (ResourceNotFoundError, "Did you mean 'heart'?", {"endpoint_name": "hart"}),
    "model path that does not exist": (ResourceNotFoundError, "no model at", {"model": "./nomodel"}),
    "model object without file": (ResourceNotFoundError, "no model at", {"model": Model(path="./nomodel")}),
    "unknown model": (ResourceNotFoundError, "no model 'nix'", {"model": "azureml:nix:1"}),
    "unknown compute": (ResourceNotFoundError, "no compute 'nix'", {"compute": "nix"}),
    "unknown environment": (ResourceNotFoundError, "no environment", {"environment": "azureml:nix:1"}),
    "too many instances": (ValidationException, "instance_count", {"instance_count": 3}),
    "script that does not exist": (ScriptError, "code/ has score.py", {"scoring_script": "scoring.py"}),
    "code folder that does not exist": (ScriptError, "does not exist", {"code_path": "./kode"}),
    "neither model nor script": (
        ValidationException,
        "no model",
        {"code_path": None, "scoring_script": None},
    ),
    "files without a script": (
        ScriptError,
        "needs a scoring script",
        {"code_path": None, "scoring_script": None, "model": "./data"},
    ),
    "folder without script": (ScriptError, "without a scoring_script", {"scoring_script": None}),
}


@pytest.mark.parametrize("case", DEPLOYMENTS)
def test_deployment(case: str, client: MLClient, state) -> None:
    kind, words, values = DEPLOYMENTS[case]
    merged = {"endpoint_name": "heart", "code_path": "./code", "scoring_script": "score.py", **values}
    deployment = BatchDeployment(
        name="another", **{key: value for key, value in merged.items() if value is not None}
    )
    text = refused(state, kind, lambda: client.batch_deployments.begin_create_or_update(deployment))
    assert words in text


def test_nothing_is_made_where_no_workspace_is(project: Path, state) -> None:
    client = MLClient()
    acts = [
        lambda: client.batch_endpoints.invoke("heart", input="./data"),
        lambda: client.batch_deployments.begin_create_or_update(script_deployment()),
        lambda: client.models.create_or_update(Model(name="m", path="./nix")),
        lambda: client.data.create_or_update(Data(name="d", path="./nix")),
        lambda: client.jobs.get("amber"),
        lambda: client.batch_endpoints.get("heart"),
    ]
    for act in acts:
        refused(state, UsageError, act)
    assert (
        client.jobs.list()
        == client.batch_endpoints.list()
        == client.models.list()
        == client.compute.list()
        == []
    )
    assert not (project / ".batchmagic").exists()


def test_names_with_a_slash(state) -> None:
    for make in (
        lambda: BatchEndpoint(name="a/b"),
        lambda: BatchDeployment(name="a/b", endpoint_name="heart"),
        lambda: AmlCompute(name="a/b"),
        lambda: Model(name="a/b", path="."),
    ):
        refused(state, InvalidName, make)


def test_a_version_that_exists(client: MLClient, state) -> None:
    client.data.create_or_update(Data(name="d", version="1", path="./data"))
    again = Data(name="d", version="1", path="./code")
    refused(state, ResourceExistsError, lambda: client.data.create_or_update(again))


def test_wrong_kind_of_entity(client: MLClient, state) -> None:
    refused(state, ValidationException, lambda: client.batch_endpoints.begin_create_or_update(42))
    refused(state, ValidationException, lambda: client.begin_create_or_update(CodeConfiguration("a", "b")))
