"""The OpenAPI document: valid, complete, and true of what routes answer."""

from __future__ import annotations

import pytest
from openapi_spec_validator import validate

from batchmagic.server.openapi import document
from batchmagic.server.routes import PREFIX, ROUTES


@pytest.fixture(scope="module")
def described():
    return document("/")


def test_the_document_is_valid(described):
    validate(described)


def test_every_action_of_the_table_is_in_it(described):
    wanted = {(PREFIX + route.path, method.lower()) for route in ROUTES for method, _ in route.actions()}
    found = {(path, method) for path, methods in described["paths"].items() for method in methods}
    assert found == wanted


def test_only_the_probes_need_no_credentials(described):
    public = {
        path
        for path, methods in described["paths"].items()
        for item in methods.values()
        if item.get("security") == []
    }
    assert public == {f"{PREFIX}/healthz", f"{PREFIX}/readyz"}


def test_operations_have_names_of_their_own(described):
    names = [item["operationId"] for methods in described["paths"].values() for item in methods.values()]
    assert len(names) == len(set(names))


def test_addresses_are_below_the_servers_base():
    assert document("/user/ada/")["servers"] == [{"url": "/user/ada"}]
