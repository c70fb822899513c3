"""`--set a.b=c`: on every verb that defines something, with values as YAML has them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from batchmagic.cli.main import main
from batchmagic.errors import ValidationException
from batchmagic.sdk.overrides import split_assignments

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from batchmagic import MLClient
    from batchmagic.workspace import Workspace

SCRIPT = "code_configuration: {code: code, scoring_script: score.py}\n"
FILES = {
    "e.yml": "name: other\n",
    "d.yml": "name: fromfile\nendpoint_name: nix\nmini_batch_size: 3\nmodel: azureml:nix:1\n" + SCRIPT,
    "c.yml": "name: cpu\ntype: amlcompute\nmax_instances: 3\n",
    "m.yml": "name: risk\npath: code\n",
    "n.yml": "name: env\nimage: i\n",
    "p.yml": "name: patients\npath: data\n",
}


@pytest.fixture
def act(
    project: Path, client: MLClient, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    for name, text in FILES.items():
        (project / name).write_text(text)
    client.models.create_or_update({"name": "risk", "path": "code"})

    def run(*words: str) -> tuple[int, str, str]:
        code = main(list(words))
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize(
    ("words", "show", "read", "value"),
    [
        ("endpoint create -f e.yml", "endpoint show other", ["description"], "d"),
        ("endpoint update heart", "endpoint show heart", ["description"], "d"),
        ("compute create -f c.yml", "compute show cpu", [], None),
        ("model create -f m.yml", "model show risk", ["description"], "d"),
        ("environment create -f n.yml", "environment show env", ["description"], "d"),
        ("data create -f p.yml", "data show patients", ["description"], "d"),
        ("deployment update heart/classifier", "deployment show heart/classifier", ["description"], "d"),
        ("deployment create heart/fromfile --set model=azureml:risk@latest -f d.yml", "deployment show heart/fromfile",
         ["description"], "d"),
        ("deploy heart/new --code code --scoring-script score.py", "deployment show heart/new", ["description"], "d"),
    ],
)  # fmt: skip
def test_several_values_after_one_flag_on_every_verb(
    act, words: str, show: str, read: list[str], value
) -> None:
    code, _, err = act(*words.split(), "--set", "description=d", "tags.a=1", "tags.b=x y")
    assert code == 0, err
    shown = json.loads(act(*show.split(), "--format", "json")[1])
    for key in read:
        assert shown[key] == value
        assert shown["tags"] == {"a": "1", "b": "x y"}


def test_the_line_of_azures_own_examples(act) -> None:
    """`--set endpoint_name=… model=…` on a file that says otherwise."""
    code, _, err = act(
        *[
            "deployment",
            "create",
            "--file",
            "d.yml",
            "--set",
            "endpoint_name=heart",
            "model=azureml:risk@latest",
            "mini_batch_size=8",
        ]
    )
    assert code == 0, err
    shown = json.loads(act("deployment", "show", "heart/fromfile", "--format", "json")[1])
    assert (shown["model"], shown["settings"]["mini_batch_size"]) == ("azureml:risk:1", 8)


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ("mini_batch_size=20", 20),
        ("mini_batch_size='20'", "20"),
        ("fail_fast=false", False),
        ("description=null", None),
        ("description=", ""),
        ("description=yes", "yes"),
        ("description=a: b", "a: b"),
        ("description=[x", "[x"),
        ("description==x", "=x"),
        ("version=1.10", 1.1),
        ("retry_settings={timeout: 5, max_retries: 2}", {"timeout": 5, "max_retries": 2}),
        ("environment_variables.A=True", "True"),
        ("settings.environment_variables.A=null", "null"),
        ("tags.a=007", "007"),
        ("properties.batchmagic.fail_fast=false", "false"),
    ],
)
def test_a_value_is_what_it_is_in_yaml(given: str, value: object) -> None:
    assert list(split_assignments([given]).values()) == [value]


@pytest.mark.parametrize("given", ["mini_batch_size", "=3", " =3"])
def test_a_word_without_key_or_value_is_refused(given: str) -> None:
    with pytest.raises(ValidationException, match="has no KEY=VALUE"):
        split_assignments([given])


def test_a_number_keeps_how_it_was_written_and_null_takes_a_value_away(act) -> None:
    act("model", "create", "--file", "m.yml", "--set", "version=1.10", "description=x")
    assert json.loads(act("model", "show", "risk:1.10", "--format", "json")[1])["version"] == "1.10"
    act("deployment", "update", "heart/classifier", "--set", "mini_batch_size=3")
    act("deployment", "update", "heart/classifier", "--set", "mini_batch_size=null", "fail_fast=false")
    shown = json.loads(act("deployment", "show", "heart/classifier", "--format", "json")[1])
    assert shown["settings"]["mini_batch_size"] == 10
    assert shown["settings"]["fail_fast"] is False


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("deployment create -f d.yml --set mini_batch_sise=4", "d.yml, mini_batch_sise as it is set: BatchDeployment has no field 'mini_batch_sise'. Did you mean 'mini_batch_size'?"),
        ("deployment create -f d.yml --set settings.retry_settings.timout=4", "Did you mean 'timeout'?"),
        ("deployment create -f d.yml --set timeout=soon", "d.yml, timeout as it is set: "),
        ("deployment update heart/classifier --set mini_batch_sise=4", "Did you mean 'mini_batch_size'?"),
        ("deploy heart/x --scoring-script code/score.py --set mini_batch_sise=4", "Did you mean 'mini_batch_size'?"),
        ("endpoint create -f e.yml --set defaults.deployment=x", "Did you mean 'deployment_name'?"),
        ("endpoint update heart --set descripton=x", "Did you mean 'description'?"),
        ("compute create -f c.yml --set max_instance=2", "Did you mean 'max_instances'?"),
        ("model create -f m.yml --set pth=x", "Did you mean 'path'?"),
        ("data create -f p.yml --set typ=x", "Did you mean 'type'?"),
        ("environment create -f n.yml --set imag=x", "Did you mean 'image'?"),
        ("invoke heart --input ./data --set mini_batch_sise=4", "Did you mean 'mini_batch_size'?"),
        ("apply -f all.yml --set mini_batch_size=4", "in front of the field stands its kind"),
        ("apply -f all.yml --set deploymnt.mini_batch_size=4", "Did you mean 'deployment'?"),
        ("apply -f all.yml --set model.path=x", "no document defines a model"),
        ("apply -f all.yml --set deployment.mini_batch_sise=4", "Did you mean 'mini_batch_size'?"),
    ],
)  # fmt: skip
def test_an_unknown_key_comes_with_the_nearest_one(act, project: Path, words: str, told: str) -> None:
    (project / "all.yml").write_text("kind: endpoint\nname: heart\n---\nkind: deployment\n" + FILES["d.yml"])
    code, _, err = act(*words.split())
    assert code == 2
    assert told in err
    assert "line" not in err or "as it is set" not in err


def test_an_error_of_the_file_keeps_its_place_beside_a_value_that_is_set(act, project: Path) -> None:
    (project / "d.yml").write_text("name: bad\nendpoint_name: heart\nmini_batch_sise: 4\n")
    assert "line 3, column 1" in act("deployment", "create", "-f", "d.yml", "--set", "timeout=4")[2]


def test_apply_sets_fields_of_every_document_of_a_kind(act, project: Path, held: Workspace) -> None:
    (project / "all.yml").write_text(
        "kind: deployment\nname: one\nendpoint_name: heart\n" + SCRIPT
        + "---\nkind: deployment\nname: two\nendpoint_name: heart\n" + SCRIPT
        + "---\nkind: endpoint\nname: heart\n"
    )  # fmt: skip
    words = "apply -f all.yml --set deployment.mini_batch_size=4 deployment.tags.a=b endpoint.description=new"
    code, _, err = act(*words.split())
    assert code == 0, err
    for name in ("one", "two"):
        entity = held.deployments.get("heart", name).entity
        assert (entity.mini_batch_size, entity.tags) == (4, {"a": "b"})
    assert held.endpoints.get("heart").description == "new"
