"""An endpoint and its defaults, which are an object and a dictionary at once."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest

from batchmagic.entities import BatchEndpoint, CreationContext, Origin, origin_of, stamp
from batchmagic.errors import InvalidName, UnknownField, ValidationException


def endpoint(**values):
    return BatchEndpoint(name="endpoint-example", **values)


def test_a_new_one_has_defaults_that_can_be_set():
    made = endpoint()
    assert made.defaults.deployment_name is None
    made.defaults.deployment_name = "Blue"
    assert made.defaults == {"deployment_name": "blue"}
    assert made.default_deployment_name == "blue"


@pytest.mark.parametrize(
    "values",
    [
        {"defaults": {"deployment_name": "blue"}},
        {"default_deployment_name": "blue"},
        {"defaults": {"deployment_name": "blue"}, "default_deployment_name": "green"},
    ],
)
def test_the_default_can_be_given_in_two_ways(values):
    assert endpoint(**values).defaults["deployment_name"] == "blue"


def test_defaults_are_a_dictionary():
    made = endpoint(defaults={})
    made.defaults["deployment_name"] = "one"
    assert json.loads(json.dumps(made.defaults)) == {"deployment_name": "one"}
    made.defaults.update(deployment_name="two")
    made.defaults |= {"deployment_name": "six"}
    assert dict(made.defaults) == {"deployment_name": "six"}
    assert made.defaults.setdefault("deployment_name", "ten") == "six"
    made.defaults.deployment_name = None
    assert made.defaults == {}
    assert made.defaults.setdefault("deployment_name", "ten") == "ten"


def test_defaults_are_never_none():
    made = endpoint(defaults=None)
    made.defaults = None
    made.defaults.deployment_name = "blue"
    assert made.default_deployment_name == "blue"
    made.default_deployment_name = "green"
    assert made.defaults.deployment_name == "green"


@pytest.mark.parametrize(
    "change",
    [
        lambda e: e.defaults.update(deployment="x"),
        lambda e: setattr(e.defaults, "deployment", "x"),
        lambda e: setattr(e, "defaults", {"deployment": "x"}),
        lambda e: BatchEndpoint(name="abc", defaults={"deployment": "x"}),
    ],
)
def test_an_unknown_default_is_answered_with_the_nearest(change):
    with pytest.raises(UnknownField, match="Did you mean 'deployment_name'"):
        change(endpoint())


@pytest.mark.parametrize("value", [5, "blue", ["blue"]])
def test_defaults_that_are_no_mapping_are_refused(value):
    with pytest.raises(ValidationException, match="must be a mapping"):
        endpoint(defaults=value)


@pytest.mark.parametrize("name", ["a/b", "x", 5])
def test_a_default_deployment_must_have_a_deployments_name(name):
    with pytest.raises(ValidationException):
        endpoint().defaults.deployment_name = name


@pytest.mark.parametrize("name", ["a/b", "ab", "under_score", "end-", "9abc", "é" * 5, "abc\n"])
def test_a_bad_name_is_refused(name):
    with pytest.raises(InvalidName):
        BatchEndpoint(name=name)


def test_a_name_is_lower_cased():
    assert BatchEndpoint(name="My-Endpoint").name == "my-endpoint"


def test_the_auth_mode_is_a_label_in_any_case():
    assert endpoint(auth_mode="AAD_Token").auth_mode == "aad_token"
    with pytest.raises(ValidationException, match="auth_mode"):
        endpoint(auth_mode="none")


class TestOrigin:
    """What the workspace adds is read-only and no part of the definition."""

    def test_it_is_empty_at_first(self):
        made = endpoint()
        assert (made.id, made.provisioning_state, made.scoring_uri, made.openapi_uri) == (None,) * 4
        assert made.creation_context.created_at is None

    def test_it_can_be_read_once_stored(self):
        made = endpoint()
        now = datetime.now(UTC)
        context = CreationContext(created_at=now, last_modified_at=now + timedelta(seconds=3))
        stamp(
            made,
            Origin(
                id="e/1", provisioning_state="Succeeded", scoring_uri="https://x", creation_context=context
            ),
        )
        assert (made.id, made.provisioning_state, made.scoring_uri) == ("e/1", "Succeeded", "https://x")
        assert (made.creation_context.last_modified_at - made.creation_context.created_at).seconds == 3
        assert origin_of(made).id == "e/1"
        assert made == endpoint()
        assert made.to_dict() == endpoint().to_dict()
        assert pickle.loads(pickle.dumps(made)).id == "e/1"

    @pytest.mark.parametrize("name", ["id", "creation_context", "provisioning_state", "scoring_uri"])
    def test_it_cannot_be_set(self, name):
        with pytest.raises(ValidationException, match="read-only"):
            setattr(endpoint(), name, "x")

    def test_what_az_show_prints_can_be_given(self):
        shown = {
            "id": "/x",
            "provisioning_state": "Succeeded",
            "scoring_uri": "https://…",
            "resourceGroup": "rg",
        }
        assert endpoint(**shown) == endpoint()


def test_printing_it_gives_yaml():
    assert str(endpoint(description="A batch endpoint")).splitlines() == [
        "name: endpoint-example",
        "description: A batch endpoint",
        "auth_mode: aad_token",
    ]
