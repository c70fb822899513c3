"""The parts of a deployment that have several names, and its form as a dictionary."""

from __future__ import annotations

from io import StringIO

import pytest

from batchmagic import load_batch_deployment
from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat
from batchmagic.entities import (
    BatchDeployment,
    CodeConfiguration,
    ModelBatchDeploymentSettings,
    ResourceConfiguration,
)
from batchmagic.errors import UnsafePath, ValidationException

SETTINGS = {
    "mini_batch_size": 2,
    "instance_count": 3,
    "max_concurrency_per_instance": 4,
    "output_action": "append_row",
    "output_file_name": "out.csv",
    "retry_settings": {"max_retries": 5, "timeout": 60},
    "environment_variables": {"A": "1"},
    "error_threshold": 6,
    "logging_level": "debug",
    "output_format": "jsonl",
    "isolate_failures": True,
    "fail_fast": False,
    "memory_per_slot": 1024,
    "predict_per": "mini_batch",
}


def deployment(**values):
    return BatchDeployment(name="dep", **values)


class TestInstanceCount:
    """It stands in `resources` and in `settings`, and is one value."""

    @pytest.mark.parametrize(
        "values",
        [
            {"instance_count": 2},
            {"settings": {"instance_count": 2}},
            {"resources": {"instance_count": 2}},
            {"resources": ResourceConfiguration(instance_count=2)},
            {"resources": {"instance_count": 2}, "instance_count": "2"},
        ],
    )
    def test_it_can_be_given_in_every_place(self, values):
        made = deployment(**values)
        assert made.instance_count == made.settings.instance_count == made.resources.instance_count == 2

    @pytest.mark.parametrize("where", ["settings", "resources"])
    def test_setting_it_in_one_place_sets_it_in_the_other(self, where):
        made = deployment(instance_count=2)
        getattr(made, where).instance_count = 5
        assert made.instance_count == made.settings.instance_count == made.resources.instance_count == 5

    def test_two_different_ones_are_refused_in_azures_words(self):
        with pytest.raises(ValidationException, match="Can't set instance_count when resources is provided"):
            deployment(resources={"instance_count": 2}, settings={"instance_count": 3})

    def test_a_part_that_is_assigned_decides_if_it_says_anything(self):
        made = deployment(instance_count=2)
        made.resources = ResourceConfiguration(instance_count=4)
        assert made.settings.instance_count == 4
        made.settings = {"mini_batch_size": 7}
        assert (made.instance_count, made.mini_batch_size) == (4, 7)
        made.settings = ModelBatchDeploymentSettings(instance_count=6)
        assert made.resources.instance_count == 6

    def test_a_refused_part_changes_nothing(self):
        made = deployment(instance_count=2)
        with pytest.raises(ValidationException):
            made.resources = {"instance_count": 0}
        assert made.settings.instance_count == made.resources.instance_count == 2


class TestCode:
    """`code_path`/`scoring_script` and `code_configuration` are the same."""

    @pytest.mark.parametrize(
        "values",
        [
            {"code_path": "./code", "scoring_script": "score.py"},
            {"code": "./code", "scoring_script": "score.py"},
            {"code_configuration": CodeConfiguration(code="./code", scoring_script="score.py")},
            {"code_configuration": CodeConfiguration("./code", "score.py")},
            {"code_configuration": {"code": "./code"}, "scoring_script": "score.py"},
            {"code_configuration": {"code": "./code", "scoring_script": "score.py"}, "code_path": "./code"},
        ],
    )
    def test_it_can_be_given_in_every_form(self, values):
        made = deployment(**values)
        assert (made.code_path, made.scoring_script) == ("./code", "score.py")
        assert made.code_configuration == CodeConfiguration(code="./code", scoring_script="score.py")

    def test_two_different_ones_are_refused(self):
        with pytest.raises(ValidationException, match="differs"):
            deployment(code_path="./a", code_configuration={"code": "./b"})

    def test_without_any_there_is_none(self):
        made = deployment()
        assert made.code_configuration is None
        assert made.code_path is None

    def test_the_short_name_can_be_set_first(self):
        made = deployment()
        made.code_path = "./code"
        made.scoring_script = "score.py"
        assert made.code_configuration == CodeConfiguration(code="./code", scoring_script="score.py")

    @pytest.mark.parametrize("script", ["../score.py", "/abs/score.py", "a/../../b.py"])
    def test_a_script_stays_inside_its_folder(self, script):
        with pytest.raises(UnsafePath):
            deployment(code_path="./code", scoring_script=script)


class TestSummaryOnly:
    """Without rows there is no file."""

    def test_a_file_name_is_refused_in_azures_words(self):
        with pytest.raises(ValidationException, match="output_file_name need not to be specified"):
            deployment(output_action="summary_only", output_file_name="x.csv")

    def test_changing_to_it_drops_the_file_name(self):
        made = deployment(output_file_name="x.csv")
        made.output_action = BatchDeploymentOutputAction.SUMMARY_ONLY
        assert made.output_file_name is None
        with pytest.raises(ValidationException):
            made.output_file_name = "y.csv"
        assert made.output_file_name is None

    def test_a_refused_change_keeps_the_file_name(self):
        made = deployment(output_file_name="x.csv")
        with pytest.raises(ValidationException):
            made.output_action = "summary"
        assert made.output_file_name == "x.csv"


class TestDictionary:
    """`to_dict` is Azure's YAML, without secrets, and loads again."""

    def test_it_has_azures_form(self):
        made = deployment(
            endpoint_name="end", model="azureml:m:1", code_path="c", scoring_script="s.py", **SETTINGS
        )
        assert made.to_dict(reveal=True) == {
            "name": "dep",
            "endpoint_name": "end",
            "type": "model",
            "model": "azureml:m:1",
            "code_configuration": {"code": "c", "scoring_script": "s.py"},
            "resources": {"instance_count": 3},
            "settings": {
                "mini_batch_size": 2,
                "max_concurrency_per_instance": 4,
                "output_action": "append_row",
                "output_file_name": "out.csv",
                "retry_settings": {"max_retries": 5, "timeout": 60},
                "environment_variables": {"A": "1"},
                "error_threshold": 6,
                "logging_level": "debug",
            },
            "properties": {
                "batchmagic.output_format": "jsonl",
                "batchmagic.isolate_failures": "true",
                "batchmagic.fail_fast": "false",
                "batchmagic.memory_per_slot": "1024",
                "batchmagic.predict_per": "mini_batch",
            },
        }

    def test_it_loads_again_to_an_equal_one(self):
        made = deployment(endpoint_name="end", model={"name": "m", "path": "p"}, tags={"t": "1"}, **SETTINGS)
        assert BatchDeployment.from_dict(made.to_dict(reveal=True)) == made

    def test_values_of_variables_are_only_there_when_asked_for(self):
        made = deployment(environment_variables={"TOKEN": "s3cr3t"})
        assert made.to_dict()["settings"]["environment_variables"] == {"TOKEN": None}
        assert "s3cr3t" not in f"{made.to_dict()}{made}{made!r}{made.settings!r}"
        assert BatchDeployment.from_dict(made.to_dict()).environment_variables == {"TOKEN": None}

    def test_an_unset_one_is_short(self):
        assert deployment().to_dict() == {"name": "dep", "type": "model"}

    def test_own_settings_come_back_from_properties(self):
        made = deployment(properties={"batchmagic.output_format": "csv", "mine": 1})
        assert made.output_format == OutputFormat.CSV
        assert made.properties == {"mine": "1"}

    def test_the_number_of_a_cell_is_a_label_like_any_other(self):
        made = deployment(properties={"batchmagic.cell": 5, "mine": 1})
        assert made.properties == {"batchmagic.cell": "5", "mine": "1"}
        assert made.script_title == "cell [5]"
        assert made.to_dict()["properties"] == made.properties
        assert BatchDeployment.from_dict(made.to_dict()) == made
        assert load_batch_deployment(StringIO(str(made))) == made
        made.properties = {"batchmagic.cell": "6", "batchmagic.output_format": "csv"}
        assert (made.script_title, made.output_format) == ("cell [6]", OutputFormat.CSV)
        assert deployment().script_title is None

    @pytest.mark.parametrize("number", ["", "five", "5]\n  evil", True, -1, {}])
    def test_what_is_no_number_of_a_cell_is_refused(self, number):
        with pytest.raises(ValidationException, match=r"properties\.batchmagic\.cell"):
            deployment(properties={"batchmagic.cell": number})

    def test_own_settings_come_back_from_properties_that_are_assigned(self):
        made = deployment()
        made.properties = {"batchmagic.output_format": "csv", "mine": "1"}
        assert (made.output_format, made.properties) == (OutputFormat.CSV, {"mine": "1"})

    def test_properties_changed_in_place_do_no_harm_to_the_settings(self):
        made = deployment(mini_batch_size=3)
        made.properties["batchmagic.output_format"] = "csv"
        made.description = "changed"
        assert made.settings == ModelBatchDeploymentSettings(mini_batch_size=3)

    def test_own_settings_given_twice_differently_are_refused(self):
        with pytest.raises(ValidationException, match="output_format"):
            deployment(properties={"batchmagic.output_format": "csv"}, output_format="jsonl")
