"""What is in force for a job: defaults, the deployment, the invoke."""

from __future__ import annotations

import pytest

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat, PredictPer
from batchmagic.entities import BatchDeployment
from batchmagic.entities.effective import split_overrides
from batchmagic.entities.settings import Settings
from batchmagic.errors import UnknownField, ValidationException


def deployment(**values):
    return BatchDeployment(name="dep", **values)


def test_without_anything_the_defaults_are_in_force():
    assert deployment().effective_settings() == Settings()


def test_what_the_deployment_says_is_in_force():
    made = deployment(
        mini_batch_size=2, instance_count=3, output_file_name="a.parquet", retry_settings={"timeout": 5},
        environment_variables={"B": "1", "A": "2"}, no_fail_fast=True, error_threshold=-1,
    )  # fmt: skip
    assert made.effective_settings() == Settings(
        mini_batch_size=2, instance_count=3, output_file_name="a.parquet", timeout=5,
        environment_variables=("A", "B"), fail_fast=False, error_threshold=-1,
    )  # fmt: skip
    assert made.effective_settings().effective_format() == OutputFormat.PARQUET


@pytest.mark.parametrize(
    ("overrides", "field", "value"),
    [
        ({"mini_batch_size": "20"}, "mini_batch_size", 20),
        ({"compute.instance_count": "5"}, "instance_count", 5),
        ({"resources.instance_count": 5}, "instance_count", 5),
        ({"instance_count": 5}, "instance_count", 5),
        ({"retry_settings.max_retries": "0"}, "max_retries", 0),
        ({"retry_settings.timeout": 9}, "timeout", 9),
        ({"retry_settings": {"timeout": 9}}, "timeout", 9),
        ({"settings": {"retry_settings": {"timeout": 9}}}, "timeout", 9),
        ({"max_retries": 1}, "max_retries", 1),
        ({"timeout": 9}, "timeout", 9),
        ({"error_threshold": "3"}, "error_threshold", 3),
        ({"logging_level": "DEBUG"}, "logging_level", "debug"),
        ({"output_file_name": "b.csv"}, "output_file_name", "b.csv"),
        ({"output_format": "jsonl"}, "output_format", OutputFormat.JSONL),
        ({"max_concurrency_per_instance": 4}, "max_concurrency_per_instance", 4),
        ({"settings.mini_batch_size": 4}, "mini_batch_size", 4),
        ({"no_fail_fast": True}, "fail_fast", False),
        ({"isolate_failures": "true"}, "isolate_failures", True),
        ({"memory_per_slot": "1KiB"}, "memory_per_slot", 1024),
        ({"predict_per": "mini_batch"}, "predict_per", PredictPer.MINI_BATCH),
        ({"environment_variables": {"Z": "1"}}, "environment_variables", ("A", "Z")),
        ({"environment_variables.Z": "1"}, "environment_variables", ("A", "Z")),
    ],
)
def test_an_override_wins_over_the_deployment(overrides, field, value):
    made = deployment(
        mini_batch_size=1, instance_count=1, retry_settings={"max_retries": 2, "timeout": 3}, error_threshold=1,
        logging_level="info", output_file_name="a.csv", environment_variables={"A": "1"},
    )  # fmt: skip
    before = made.to_dict(reveal=True)
    assert getattr(made.effective_settings(overrides), field) == value
    assert made.to_dict(reveal=True) == before


def test_an_override_of_none_keeps_the_deployments_value_out():
    assert deployment(mini_batch_size=7).effective_settings({"mini_batch_size": None}).mini_batch_size == 10


class TestSummaryOnly:
    """Rows are not kept, so a file's name means nothing."""

    def test_the_deployments_file_name_is_no_obstacle(self):
        made = deployment(output_file_name="a.csv").effective_settings({"output_action": "SUMMARY_ONLY"})
        assert made.output_action == BatchDeploymentOutputAction.SUMMARY_ONLY

    def test_a_file_name_given_with_it_is(self):
        with pytest.raises(ValidationException, match="need not to be specified"):
            deployment(output_action="summary_only").effective_settings({"output_file_name": "a.csv"})


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"mini_batch_size": "0"}, "mini_batch_size: 0 must be at least 1"),
        ({"compute.instance_count": "x"}, "instance_count: 'x' must be a whole number"),
        ({"retry_settings.timeout": 0}, "retry_settings.timeout: 0 must be at least 1"),
        ({"output_file_name": "../x"}, "is not a plain file name"),
        ({"output_action": "other"}, "is not one of"),
        ({"environment_variables": 5}, "must be a mapping"),
    ],
)
def test_an_override_that_means_nothing_is_refused(overrides, words):
    with pytest.raises(ValidationException) as caught:
        deployment().effective_settings(overrides)
    assert words in str(caught.value)


def test_an_unknown_override_is_answered_with_the_nearest():
    with pytest.raises(UnknownField, match="Did you mean 'mini_batch_size'"):
        deployment().effective_settings({"mini_batch_sise": 5})


def test_overrides_that_are_no_settings_are_sorted_out():
    found = split_overrides(
        [
            {"mini_batch_size": "20"},
            {"compute.instance_count": "5", "compute.target": "cpu", "compute.instance_type": "x"},
            {"output_dataset.datastore_id": "d"},
            {"job_name": "j", "mini_batch_size": "30", "compute": "azureml:x"},
        ]
    )
    assert found == (
        {"mini_batch_size": "30", "instance_count": "5"},
        {
            "compute.target": "cpu",
            "compute.instance_type": "x",
            "output_dataset.datastore_id": "d",
            "job_name": "j",
            "compute": "azureml:x",
        },
    )


def test_none_is_no_override():
    assert split_overrides(None) == ({}, {})
