"""A deployment: one value under several names, whichever way it was given."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import pytest

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat
from batchmagic.entities import (
    AmlCompute,
    BatchDeployment,
    BatchRetrySettings,
    CodeConfiguration,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    Origin,
    ResourceConfiguration,
    stamp,
)
from batchmagic.errors import InvalidName, UnknownField, UnsafePath, ValidationException

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
}


def deployment(**values):
    return BatchDeployment(name="dep", **values)


def test_settings_are_the_same_flat_and_under_settings():
    flat = deployment(endpoint_name="end", **SETTINGS)
    nested = deployment(endpoint_name="end", settings=SETTINGS)
    objects = deployment(endpoint_name="end", settings=ModelBatchDeploymentSettings(**SETTINGS))
    assert flat == nested == objects


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_reads_alike_under_both_names(name):
    made = deployment(**SETTINGS)
    assert getattr(made, name) is not None
    assert getattr(made, name) == getattr(made.settings, name)


@pytest.mark.parametrize(
    ("name", "value"), [("mini_batch_size", 7), ("logging_level", "warning"), ("instance_count", 9)]
)
def test_setting_one_name_sets_the_other(name, value):
    made = deployment()
    setattr(made, name, value)
    assert getattr(made.settings, name) == value
    setattr(made.settings, name, None)
    assert getattr(made, name) is None


def test_azures_second_class_is_the_same():
    assert ModelBatchDeployment(name="dep", mini_batch_size=5) == deployment(settings={"mini_batch_size": 5})


def test_making_one_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        deployment(model="azureml:m@latest", mini_batch_size=1)


def test_names_are_lower_cased_and_the_computes_prefix_goes():
    made = BatchDeployment(name="Dep-A", endpoint_name="EndPoint", compute="azureml:Aml-Cluster")
    assert (made.name, made.endpoint_name, made.compute) == ("dep-a", "endpoint", "Aml-Cluster")


@pytest.mark.parametrize(
    "compute",
    [
        "azureml:cpu",
        AmlCompute(name="cpu"),
        "/subscriptions/s/resourceGroups/r/providers/Microsoft.MachineLearningServices/workspaces/w/computes/cpu",
    ],
)
def test_a_compute_is_named_in_any_form(compute):
    assert deployment(compute=compute).compute == "cpu"


@pytest.mark.parametrize(
    ("field", "given", "kept"),
    [
        ("mini_batch_size", "20", 20),
        ("mini_batch_size", 20.0, 20),
        ("output_action", "SUMMARY_ONLY", BatchDeploymentOutputAction.SUMMARY_ONLY),
        ("output_action", "AppendRow", BatchDeploymentOutputAction.APPEND_ROW),
        ("output_format", "Parquet", OutputFormat.PARQUET),
        ("logging_level", "INFO", "info"),
        ("isolate_failures", "true", True),
        ("memory_per_slot", "2GiB", 2 * 1024**3),
        ("memory_per_slot", "1.5 kB", 1500),
        ("memory_per_slot", 10, 10),
        ("error_threshold", -1, -1),
        ("environment_variables", {"A": 1, "B": True, "C": None}, {"A": "1", "B": "true", "C": None}),
    ],
)
def test_values_are_taken_in_any_sensible_spelling(field, given, kept):
    assert getattr(deployment(**{field: given}), field) == kept


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"mini_batch_size": 0}, "mini_batch_size: 0 must be at least 1"),
        ({"mini_batch_size": "ten"}, "mini_batch_size: 'ten' must be a whole number"),
        ({"mini_batch_size": 2.5}, "must be a whole number"),
        ({"mini_batch_size": True}, "must be a whole number"),
        ({"instance_count": 0}, "instance_count: 0 must be at least 1"),
        ({"max_concurrency_per_instance": 0}, "must be at least 1"),
        ({"error_threshold": -2}, "error_threshold: -2 must be at least -1"),
        ({"retry_settings": {"timeout": 0}}, "retry_settings.timeout: 0 must be at least 1"),
        ({"retry_settings": {"timeout": 259_201}}, "must be at most 259200"),
        ({"retry_settings": {"max_retries": -1}}, "retry_settings.max_retries: -1 must be at least 0"),
        ({"timeout": 0}, "retry_settings.timeout: 0 must be at least 1"),
        (
            {"output_action": "append_rows"},
            "is not one of append_row, summary_only. Did you mean 'append_row'?",
        ),
        ({"logging_level": 3}, "is not one of debug, info, warning"),
        ({"output_file_name": "a/b.csv"}, "is not a plain file name"),
        ({"output_file_name": ".."}, "is not a plain file name"),
        ({"output_file_name": "a\nb"}, "is not a plain file name"),
        ({"output_file_name": ""}, "is not a plain file name"),
        ({"output_file_name": "a" * 256}, "is not a plain file name"),
        ({"memory_per_slot": "lots"}, "must be a size in bytes"),
        ({"memory_per_slot": 0}, "must be at least 1"),
        ({"isolate_failures": "maybe"}, "must be true or false"),
        ({"no_fail_fast": "maybe"}, "no_fail_fast: 'maybe' must be true or false"),
        ({"settings": 5}, "must be a mapping"),
        ({"model": 5}, "model"),
        ({"model": "azureml:a/b"}, "has a slash after azureml:"),
        ({"environment_variables": {"A=B": "x"}}, "is not a name"),
        ({"type": "pipeline"}, "type: 'pipeline' is not one of model"),
    ],
)
def test_a_value_that_means_nothing_is_one_clear_line(values, words):
    with pytest.raises(ValidationException) as caught:
        deployment(**values)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_environment_variables_value_is_never_in_an_error():
    with pytest.raises(ValidationException) as caught:
        deployment(environment_variables={"TOKEN": ["s3cr3t"]})
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("name", ["a/b", "ab", "x" * 33, "1abc", "abc-", "", None, "a b c", "../x"])
def test_a_bad_name_is_one_error_that_says_the_rule(name):
    with pytest.raises(InvalidName, match="3 to 32"):
        BatchDeployment(name=name)


@pytest.mark.parametrize(
    ("values", "near"),
    [
        ({"min_batch_size": 1}, "mini_batch_size"),
        ({"settings": {"mini_batch_sise": 1}}, "mini_batch_size"),
        ({"retry_settings": {"time_out": 1}}, "timeout"),
        ({"code_configuration": {"scoring_scrip": "s.py"}}, "scoring_script"),
        ({"properties": {"batchmagic.output_fromat": "csv"}}, "batchmagic.output_format"),
        ({"model": {"nam": "x"}}, "name"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(values, near):
    with pytest.raises(UnknownField, match=f"Did you mean '{near}'"):
        deployment(**values)


def test_a_missing_name_is_asked_for():
    with pytest.raises(ValidationException, match="needs name"):
        BatchDeployment(endpoint_name="abc")


def test_all_wrong_fields_are_named():
    with pytest.raises(ValidationException, match="Also wrong: logging_level"):
        deployment(mini_batch_size=0, logging_level="loud")


def test_assignment_is_checked_and_leaves_the_old_value():
    made = deployment(mini_batch_size=5)
    for name, value in (("mini_batch_size", 0), ("settings", {"mini_batch_size": -1}), ("name", "a/b")):
        with pytest.raises(ValidationException):
            setattr(made, name, value)
    with pytest.raises(UnknownField, match="mini_batch_size"):
        made.mini_batch_sizes = 3
    assert made == deployment(mini_batch_size=5)


@pytest.mark.parametrize(
    "part", ["settings", "resources", "retry_settings", "tags", "properties", "environment_variables"]
)
def test_none_for_a_part_is_an_empty_one(part):
    assert deployment(**{part: None}) == deployment()
    made = deployment()
    setattr(made, part, None)
    assert made == deployment()


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


def test_two_deployments_made_with_one_object_do_not_share_it():
    settings = ModelBatchDeploymentSettings(mini_batch_size=1, retry_settings=BatchRetrySettings(timeout=5))
    one, two = deployment(settings=settings), deployment(settings=settings)
    one.mini_batch_size = 9
    one.retry_settings.timeout = 99
    assert (two.mini_batch_size, two.retry_settings.timeout) == (1, 5)
    assert (settings.mini_batch_size, settings.retry_settings.timeout) == (1, 5)


def test_the_settings_of_another_deployment_can_be_taken_and_added_to():
    other = deployment(resources={"instance_count": 4}, mini_batch_size=2, environment_variables={"A": "1"})
    made = deployment(
        settings=other.settings, logging_level="debug", environment_variables={"B": "2"}, timeout=9
    )
    assert made == deployment(
        instance_count=4,
        mini_batch_size=2,
        logging_level="debug",
        environment_variables={"A": "1", "B": "2"},
        timeout=9,
    )
    assert other.environment_variables == {"A": "1"}


def test_retry_settings_are_always_there():
    made = deployment()
    made.retry_settings.timeout = 12
    assert made.settings.retry_settings == BatchRetrySettings(timeout=12)
    made.retry_settings = None
    assert made.retry_settings == BatchRetrySettings()
    made.retry_settings = {"max_retries": 1}
    assert made.retry_settings.timeout is None


@pytest.mark.parametrize(
    ("given", "kind"),
    [("azureml:m:1", str), (Model(name="m", path="p"), Model), ({"name": "m", "path": "p"}, Model)],
)
def test_a_model_is_a_reference_an_object_or_a_definition(given, kind):
    assert isinstance(deployment(model=given).model, kind)


def test_an_environment_is_a_reference_an_object_or_a_definition():
    assert isinstance(deployment(environment={"image": "i"}).environment, Environment)
    assert deployment(environment="azureml:e@latest").environment == "azureml:e@latest"


def test_a_registered_model_goes_out_as_its_reference():
    model = Model(name="heart", version="3", path="/somewhere")
    stamp(model, Origin(id="azureml:heart:3"))
    assert deployment(model=model).to_dict()["model"] == "azureml:heart:3"


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


@pytest.mark.parametrize("again", [lambda x: pickle.loads(pickle.dumps(x)), copy.deepcopy])
def test_copies_are_equal_and_apart(again):
    made = deployment(**SETTINGS)
    other = again(made)
    assert other == made
    other.settings.instance_count = 8
    assert other.resources.instance_count == 8
    assert made.instance_count == 3


def test_the_signature_names_every_setting_plainly():
    parameters = inspect.signature(BatchDeployment).parameters
    assert set(SETTINGS) | {"name", "model", "code_path", "scoring_script"} <= set(parameters)
    assert "Annotated" not in str(inspect.signature(BatchDeployment))


def test_it_takes_keywords_only():
    with pytest.raises(TypeError):
        BatchDeployment("dep")
