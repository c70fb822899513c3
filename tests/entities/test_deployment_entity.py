"""A deployment: one value under several names, whichever way it was given."""

from __future__ import annotations

import copy
import inspect
import pickle
import warnings

import pytest

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat, PredictPer
from batchmagic.entities import (
    AmlCompute,
    BatchDeployment,
    BatchRetrySettings,
    Environment,
    Model,
    ModelBatchDeployment,
    ModelBatchDeploymentSettings,
    Origin,
    stamp,
)
from batchmagic.errors import InvalidName, UnknownField, ValidationException

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
        ("predict_per", "Mini-Batch", PredictPer.MINI_BATCH),
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
        ({"predict_per": "minibatches"}, "is not one of file, mini_batch. Did you mean 'mini_batch'?"),
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
