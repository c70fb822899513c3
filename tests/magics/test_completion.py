"""What Tab offers, through IPython's own completer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from batchmagic import MLClient, load_ipython_extension, unload_ipython_extension
from batchmagic.entities import BatchDeployment, BatchEndpoint, Data

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shell(project: Path):
    shell = InteractiveShell.instance()
    shell.Completer.use_jedi = False
    load_ipython_extension(shell)
    yield shell
    unload_ipython_extension(shell)
    InteractiveShell.clear_instance()


@pytest.fixture
def tab(shell: InteractiveShell):
    """A function that returns the cells that the text before the cursor can become."""

    def press(text: str) -> list[str]:
        with provisionalcompleter():
            found = list(shell.Completer.completions(text, len(text)))
        return [text[: item.start] + item.text for item in found]

    return press


@pytest.fixture
def filled(client: MLClient, project: Path) -> MLClient:
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="liver"))
    client.data.create_or_update(Data(name="patients", path="./data"))
    client.batch_deployments.begin_create_or_update(
        BatchDeployment(
            name="plain",
            endpoint_name="liver",
            code_configuration={"code": "./code", "scoring_script": "score.py"},
        )
    )
    return client


def test_nouns_and_verbs(tab) -> None:
    assert "%batch invoke" in tab("%batch inv")
    assert "job = %batch invoke" in tab("job = %batch inv")
    assert tab("%batch job can") == ["%batch job cancel"]
    found = tab("%batch job ")
    assert {"%batch job logs", "%batch job resume"} <= set(found)
    assert tab("%%batch ") == sorted(tab("%%batch "))
    assert "%%batch deploy" in tab("%%batch dep")
    assert "%%batch job" not in tab("%%batch ")


def test_options_and_their_values(tab) -> None:
    assert tab("%batch invoke heart --mini-b") == ["%batch invoke heart --mini-batch-size"]
    assert tab("%batch invoke heart --output-action s") == [
        "%batch invoke heart --output-action summary_only"
    ]
    assert "%batch invoke heart --out" in tab("%batch invoke heart --o")
    again = tab("%batch invoke heart --recursive --re")
    assert "%batch invoke heart --recursive --recursive" not in again


def test_names_of_the_workspace(tab, filled) -> None:
    assert tab("%batch invoke liv") == ["%batch invoke liver", "%batch invoke liver/plain"]
    assert tab("%batch endpoint show ") == [
        f"%batch endpoint show {endpoint.name}" for endpoint in filled.batch_endpoints.list()
    ]
    assert "%batch invoke liver --input patients" in tab("%batch invoke liver --input pat")
    assert tab("%batch invoke liver --compute loc") == ["%batch invoke liver --compute local"]
    assert "%batch job show last" in tab("%batch job show ")


def test_paths(tab, project: Path) -> None:
    assert tab("%batch deploy heart/new --code co") == ["%batch deploy heart/new --code code/"]
    assert tab("%batch deploy heart/new --scoring-script code/sc") == [
        "%batch deploy heart/new --scoring-script code/score.py"
    ]


def test_keys_of_a_yaml_cell(tab) -> None:
    assert "%%batch deployment\nmini_batch_size: " in tab("%%batch deployment\nmini_b")
    found = tab("%%batch deployment\nname: a\nretry_settings:\n  ")
    assert [line.rsplit("\n", 1)[1] for line in found] == ["  max_retries: ", "  timeout: "]
    assert "%%batch deployment\nname: " not in tab("%%batch deployment\nname: a\nna")
    assert tab("%%batch deployment\noutput_action: app") == ["%%batch deployment\noutput_action: append_row"]
    assert tab("%%batch apply\nkind: comp") == ["%%batch apply\nkind: compute"]
    assert "%%batch apply\nkind: compute\nmax_instances: " in tab("%%batch apply\nkind: compute\nmax")


@pytest.mark.parametrize("text", ["impo", "x = 1\nbat", "%%batch deploy a/b\nimp", "print('%batch inv"])
def test_other_cells_are_left_alone(tab, text: str) -> None:
    assert all("invoke" not in item for item in tab(text))


def test_nothing_is_made_by_looking(tab, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    tab("%batch invoke ")
    assert not (tmp_path / ".batchmagic").exists()
