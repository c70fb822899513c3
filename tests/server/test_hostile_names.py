"""Names that are SQL, HTML, shell, format strings or very long: refused with the rule, looked up without harm."""

from __future__ import annotations

import pytest
from hostile_paths import TRAVERSALS
from limits_support import Place, deployment

from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Data, Environment, Model
from batchmagic.errors import (
    InvalidName,
    ResourceExistsError,
    ResourceNotFoundError,
    UsageError,
    ValidationException,
)

NAMES = [
    "'; DROP TABLE jobs; --", "' OR '1'='1", "x' UNION SELECT body FROM secrets--", "heart'--", 'heart"; --', "%", "_", "h%",
    "hea__", "heart\\", "*", "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "&lt;b&gt;", "$(touch canary)",
    "`touch canary`", "; touch canary", "| cat", "&& ls", "-rf", "--help", "%s%s%s%n", "{0}", "{0.__class__}", "{{7*7}}",
    "${jndi:ldap://x}", "%x", "\x1b[31mred", "\x07", "a\nb", "a\rb", "a b", " heart", "heart ", "heart\t", "he\u200bart",
    "h\u0435art", "\u202etraeh", "heart\u0301", "\u212aelvin", "caf\u00e9", "\U0001f600", "a" * 10_000, "", ".", "-a", "_a",
]  # fmt: skip
ASSETS = ("model", "data", "environment", "version")
_SQL = ("sqlite", "sqlalchemy", "SELECT", "syntax error", "no such table", "OperationalError", "near ")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("names").resolve())
    yield made
    made.client.session.close()


def _code(place):
    return {"code_path": str(place.root / "code"), "scoring_script": "score.py"}


MAKERS = {
    "endpoint": lambda place, name: place.client.batch_endpoints.begin_create_or_update(
        BatchEndpoint(name=name)
    ),
    "deployment": lambda place, name: place.client.batch_deployments.begin_create_or_update(
        BatchDeployment(name=name, endpoint_name="heart", **_code(place))
    ),
    "endpoint of a deployment": lambda place, name: place.client.batch_deployments.begin_create_or_update(
        BatchDeployment(name="blue", endpoint_name=name, **_code(place))
    ),
    "compute": lambda place, name: place.client.compute.begin_create_or_update(AmlCompute(name=name)),
    "model": lambda place, name: place.client.models.create_or_update(
        Model(name=name, path=str(place.root / "model.bin"))
    ),
    "data": lambda place, name: place.client.data.create_or_update(
        Data(name=name, path=str(place.root / "data"))
    ),
    "environment": lambda place, name: place.client.environments.create_or_update(
        Environment(name=name, image="i")
    ),
    "version": lambda place, name: place.client.data.create_or_update(
        Data(name="d", version=name, path=str(place.root / "data"))
    ),
    "job": lambda place, name: place.client.batch_endpoints.invoke(
        "heart", input=str(place.root / "data"), job_name=name, access=place.access()
    ),
}
FINDERS = {
    "endpoint": lambda place, name: place.client.batch_endpoints.get(name),
    "deployment": lambda place, name: place.client.batch_deployments.get(name, "heart"),
    "jobs of an endpoint": lambda place, name: place.client.batch_endpoints.list_jobs(name),
    "compute": lambda place, name: place.client.compute.get(name),
    "model": lambda place, name: place.client.models.get(name),
    "version of a model": lambda place, name: place.client.models.get("m", name),
    "label of a model": lambda place, name: place.client.models.get("m", label=name or "?"),
    "data": lambda place, name: place.client.data.get(name),
    "environment": lambda place, name: place.client.environments.get(name),
    "job": lambda place, name: place.client.jobs.get(name),
    "logs": lambda place, name: place.client.jobs.logs(name),
    "delete a job": lambda place, name: place.client.jobs.delete(name),
    "delete an endpoint": lambda place, name: place.client.batch_endpoints.begin_delete(name),
    "delete a model": lambda place, name: place.client.models.begin_delete(name),
    "cancel a job": lambda place, name: place.client.jobs.begin_cancel(name),
}
# Of half a character no body of a request can be made.
HOSTILE = [*NAMES, *[text for text in TRAVERSALS if "\udc2e" not in text]]


@pytest.mark.parametrize("kind", MAKERS)
def test_nothing_gets_such_a_name(place, kind):
    before = place.state()
    # Jobs and assets may have underscores; a job of no name gets one.
    fine = {"hea__", ""} if kind == "job" else {"hea__"} if kind in ASSETS else set()
    for name in [name for name in HOSTILE if name not in fine]:
        with pytest.raises(ValidationException) as caught:
            MAKERS[kind](place, name)
        assert 400 <= caught.value.status < 500
        assert "letters" in caught.value.hint, name
        assert len(str(caught.value)) < 400
        assert not any(word in str(caught.value).replace(repr(name), "") for word in _SQL)
    assert place.state() == before


@pytest.mark.parametrize("kind", FINDERS)
def test_nothing_is_found_under_such_a_name(place, kind):
    before = place.state()
    for name in HOSTILE:
        with pytest.raises(UsageError) as caught:
            FINDERS[kind](place, name)
        assert 400 <= caught.value.status < 500, name
        said = str(caught.value).replace(repr(name), "").replace(name or "-", "")
        assert not any(word in said for word in _SQL), said
    assert place.state() == before


@pytest.mark.parametrize("kind", ["endpoint", "deployment", "compute", "model", "data", "environment", "job"])
def test_a_name_in_another_letter_case_is_no_other_thing(place, kind):
    MAKERS[kind](place, "Twin-of-two")
    if kind in {"endpoint", "deployment"}:
        MAKERS[kind](place, "TWIN-OF-TWO")  # the same one: these names have small letters
        return
    with pytest.raises(ResourceExistsError):
        MAKERS[kind](place, "TWIN-OF-TWO")


@pytest.mark.parametrize("name", ["con", "nul", "aux", "com1", "PRN"])
def test_what_other_systems_reserve_is_a_name_like_any(place, name):
    """Azure takes them, and they mean nothing where this runs."""
    made = place.client.data.create_or_update(Data(name=name, path=str(place.root / "data")))
    assert place.client.data.get(name).id == made.id
    place.client.data.begin_delete(name)
    with pytest.raises(ResourceNotFoundError):
        place.client.data.get(name)


def test_what_is_wrong_with_a_name_is_said_in_words(place):
    with pytest.raises(InvalidName, match="3 to 32 letters, digits and dashes"):
        MAKERS["endpoint"](place, "a")
    assert deployment().name == "green"
