"""Azure's code configuration and resources can be read and set as dictionaries too."""

from __future__ import annotations

from batchmagic.entities import (
    AmlCompute,
    BatchEndpoint,
    CodeConfiguration,
    Environment,
    ResourceConfiguration,
)


def test_a_part_reads_as_a_dictionary():
    code = CodeConfiguration(code="./code", scoring_script="score.py")
    assert code.keys() == ["code", "scoring_script"]
    assert code.values() == ["./code", "score.py"]
    assert dict(code.items()) == {"code": "./code", "scoring_script": "score.py"}
    assert (code.get("code"), code.get("other", 3)) == ("./code", 3)
    assert (code.has_key("code"), code.has_key("other")) == (True, False)


def test_a_part_is_set_as_a_dictionary_is():
    resources = ResourceConfiguration(instance_count=1)
    resources.update({"instance_count": "2"}, instance_type="label")
    assert (resources.instance_count, resources.instance_type) == (2, "label")


def test_what_azure_lets_one_ask_of_an_entity(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert BatchEndpoint(name="heart").base_path == str(tmp_path)
    compute = AmlCompute(name="small")
    assert (compute.created_on, compute.provisioning_errors) == (None, None)
    assert Environment(name="e", image="i").validate() is None
