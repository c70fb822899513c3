"""The JSON Schema of every kind is made from the entities and agrees with them."""

from __future__ import annotations

import jsonschema
import pytest

from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Data, Environment, Model
from batchmagic.entities.kinds import KINDS
from batchmagic.entities.schema import schema_of
from batchmagic.entities.settings import Settings
from batchmagic.errors import ResourceNotFoundError

EXAMPLES = {
    "endpoint": BatchEndpoint(name="abc", tags={"a": "1"}, default_deployment_name="blue"),
    "deployment": BatchDeployment(
        name="abc", endpoint_name="end", model=Model(name="m", path="p", version=1), code_path="c", scoring_script="s.py",
        environment=Environment(image="i", conda_file={"dependencies": []}), compute="cpu", instance_count=2,
        mini_batch_size=1, retry_settings={"timeout": 5}, environment_variables={"A": "1"}, output_format="csv",
    ),
    "compute": AmlCompute(name="cpu", tier="dedicated"),
    "model": Model(name="m", path="p", flavors={"python_function": {}}),
    "environment": Environment(name="e", build={"path": "."}),
    "data": Data(name="d", path="p"),
}  # fmt: skip


def check(kind, value):
    jsonschema.Draft202012Validator(schema_of(kind)).validate(value)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema_and_holds_for_what_is_exported(kind):
    jsonschema.Draft202012Validator.check_schema(schema_of(kind))
    check(kind, EXAMPLES[kind].to_dict())
    check(kind, {"$schema": "x", "kind": kind, **EXAMPLES[kind].to_dict(reveal=True)})


@pytest.mark.parametrize("kind", KINDS)
def test_it_refuses_unknown_keys(kind):
    with pytest.raises(jsonschema.ValidationError):
        check(kind, {**EXAMPLES[kind].to_dict(), "unknown": 1})


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind):
    for name, field in schema_of(kind)["properties"].items():
        assert field.get("description") or "const" in field or name == "no_fail_fast", name


@pytest.mark.parametrize(
    "wrong",
    [
        {"mini_batch_size": 0},
        {"settings": {"mini_batch_size": 0}},
        {"timeout": 259_201},
        {"retry_settings": {"max_retries": -1}},
        {"output_action": "other"},
        {"model": 5},
    ],
)
def test_it_knows_the_ranges_that_the_entities_know(wrong):
    with pytest.raises(jsonschema.ValidationError):
        check("deployment", {"name": "abc", **wrong})


@pytest.mark.parametrize(
    "right", [{"mini_batch_size": 3}, {"settings": {"mini_batch_size": 3}}, {"code_path": "c"}]
)
def test_it_knows_both_forms_of_a_deployment(right):
    check("deployment", {"name": "abc", **right})


def test_settings_have_the_defaults_that_are_in_force():
    found = schema_of("deployment")["properties"]
    defaults = Settings()
    for name in (
        "mini_batch_size",
        "instance_count",
        "timeout",
        "max_retries",
        "output_file_name",
        "output_action",
    ):
        assert found[name]["default"] == getattr(defaults, name), name


def test_a_schema_can_be_changed_without_changing_the_next():
    schema_of("model")["properties"].clear()
    assert schema_of("model")["properties"]


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(ResourceNotFoundError, match="Did you mean 'endpoint'"):
        schema_of("endpont")
