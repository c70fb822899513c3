"""Endpoints, deployments and computes."""

from __future__ import annotations

import pytest
from workspace_support import PYTHON, tree

from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint
from batchmagic.entities.status import JobStatus
from batchmagic.errors import ResourceExistsError, ResourceNotFoundError, StateError, ValidationException


def test_an_endpoint_comes_back_as_it_was_put(ws):
    given = BatchEndpoint(name="heart", description="d", tags={"a": "b"})
    stored = ws.endpoints.put(given)
    assert stored == given
    assert ws.endpoints.get("heart") == given
    assert stored.provisioning_state == "Succeeded"
    assert stored.creation_context.created_at.tzinfo is not None


def test_putting_again_replaces_and_keeps_when_it_was_made(ws):
    first = ws.endpoints.put(BatchEndpoint(name="heart", description="one"))
    same = ws.endpoints.put(BatchEndpoint(name="heart", description="one"))
    assert same.creation_context == first.creation_context
    other = ws.endpoints.put(BatchEndpoint(name="heart", description="two"))
    assert other.creation_context.created_at == first.creation_context.created_at
    assert other.creation_context.last_modified_at > first.creation_context.last_modified_at
    assert [endpoint.description for endpoint in ws.endpoints.list()] == ["two"]


def test_what_is_not_there_is_said_with_the_nearest(ws, deployed):
    deployed()
    for act in (ws.endpoints.get, ws.endpoints.delete, ws.deployments.list):
        with pytest.raises(ResourceNotFoundError, match=r"no endpoint 'haert'.*'heart'"):
            act("haert")
    with pytest.raises(ResourceNotFoundError, match=r"'heart' has no deployment 'fist'.*'first'"):
        ws.deployments.get("heart", "fist")
    with pytest.raises(ResourceNotFoundError, match=r"heart/first has no version 7"):
        ws.deployments.get("heart", "first", 7)
    with pytest.raises(ResourceNotFoundError, match=r"no compute 'lokal'.*'local'"):
        ws.computes.get("lokal")


def test_the_default_of_an_endpoint_must_be_there_once_the_endpoint_is(ws, deployed):
    ws.endpoints.put(
        BatchEndpoint(name="heart", default_deployment_name="first")
    )  # made before its deployment
    with pytest.raises(ResourceNotFoundError, match="'second'"):
        ws.endpoints.put(BatchEndpoint(name="heart", default_deployment_name="second"))
    assert ws.endpoints.get("heart").defaults.deployment_name == "first"
    deployed("second")
    ws.endpoints.put(BatchEndpoint(name="heart", default_deployment_name="second"))
    ws.deployments.delete("heart", "second")
    assert ws.endpoints.get("heart").defaults.deployment_name is None


def test_versions_rise_only_with_changes(ws, deployed):
    first = deployed(mini_batch_size=5, environment_variables={"A": "1"})
    assert first.version == 1
    assert deployed(mini_batch_size=5, environment_variables={"A": "1"}).version == 1
    assert deployed(mini_batch_size=6, environment_variables={"A": "1"}).version == 2
    assert deployed(mini_batch_size=6, environment_variables={"A": "2"}).version == 3
    assert (
        deployed(mini_batch_size=6, environment_variables={"A": "2"}, code_dir="assets/code/x").version == 4
    )
    assert ws.deployments.get("heart", "first").version == 4
    assert ws.deployments.get("heart", "first", 1).entity.mini_batch_size == 5
    assert [record.version for record in ws.deployments.versions("heart", "first")] == [4, 3, 2, 1]
    assert [record.version for record in ws.deployments.list("heart")] == [4]
    assert ws.secrets.get(ws.deployments.get("heart", "first", 1).secret_key) == {"A": "1"}


def test_the_number_of_a_cell_is_no_change_and_is_kept_up_to_date(ws, deployed):
    deployed(properties={"batchmagic.cell": "1", "mine": "a"})
    deployed(properties={"batchmagic.cell": "1", "mine": "b"})
    again = deployed(properties={"batchmagic.cell": "9", "mine": "b"})
    assert (again.version, again.entity.script_title) == (2, "cell [9]")
    assert ws.deployments.get("heart", "first").entity.properties == {"batchmagic.cell": "9", "mine": "b"}
    assert ws.deployments.get("heart", "first", 1).entity.script_title == "cell [1]"
    without = deployed(properties={"mine": "b"})
    assert (without.version, without.entity.properties) == (2, {"mine": "b"})
    assert deployed(properties={"batchmagic.cell": "9", "mine": "c"}).version == 3


def test_the_first_label_of_a_deployment_is_no_change_either(deployed):
    deployed()
    labelled = deployed(properties={"batchmagic.cell": "4"})
    assert (labelled.version, labelled.entity.script_title) == (1, "cell [4]")


def test_another_interpreter_is_a_change(ws, deployed):
    first = deployed()
    other = type(PYTHON)(executable="/elsewhere/python", version="3.12", prefix="/elsewhere")
    second = ws.deployments.put(first.entity, interpreter=other, model=None)
    assert (second.version, second.interpreter) == (2, other)


def test_a_fetched_deployment_can_be_changed_and_put_back_with_its_hidden_values(ws, deployed):
    deployed(environment_variables={"A": "secret", "B": "x"})
    entity = ws.deployments.get("heart", "first").entity
    assert entity.environment_variables == {"A": None, "B": None}
    entity.mini_batch_size = 3
    record = ws.deployments.put(entity, interpreter=PYTHON, model=None)
    assert (record.version, record.variables) == (2, ("A", "B"))
    assert ws.secrets.get(record.secret_key) == {"A": "secret", "B": "x"}


def test_a_variable_without_a_value_is_refused_and_nothing_is_stored(ws, deployed):
    deployed()
    before = tree(ws.root / "jobs") if (ws.root / "jobs").exists() else {}
    with pytest.raises(ValidationException, match=r"environment_variables\.TOKEN"):
        deployed("other", environment_variables={"TOKEN": None})
    assert [record.name for record in ws.deployments.list("heart")] == ["first"]
    assert not (ws.root / "secrets").exists() or list((ws.root / "secrets").iterdir()) == []
    assert before == {}


def test_values_given_apart_win(ws, deployed):
    record = deployed(
        environment_variables={"A": "from the file"}, secrets={"A": "from the caller", "B": "more"}
    )
    assert ws.secrets.get(record.secret_key) == {"A": "from the caller", "B": "more"}
    assert record.variables == ("A", "B")


def test_a_deployment_needs_its_endpoint(ws):
    with pytest.raises(ResourceNotFoundError, match="no endpoint 'nowhere'"):
        ws.deployments.put(
            BatchDeployment(name="first", endpoint_name="nowhere"), interpreter=PYTHON, model=None
        )


def test_the_same_name_under_two_endpoints_is_two_deployments(ws, deployed):
    deployed("first", "one")
    deployed("first", "two", mini_batch_size=7)
    assert ws.deployments.get("one", "first").entity.mini_batch_size is None
    ws.endpoints.delete("one")
    assert ws.deployments.get("two", "first").version == 1


def test_deleting_an_endpoint_takes_deployments_and_secrets_and_leaves_jobs(ws, deployed, spec):
    deployed(environment_variables={"A": "1"})
    deployed(environment_variables={"A": "2"})
    job = ws.jobs.submit(spec(), secrets={"A": "1"})
    ws.endpoints.delete("heart")
    assert ws.endpoints.list() == []
    with pytest.raises(ResourceNotFoundError):
        ws.deployments.get("heart", "first")
    assert ws.jobs.get(job.name).status is JobStatus.QUEUED
    assert ws.secrets.get(job.name) == {"A": "1"}
    assert [path.name for path in (ws.root / "secrets").iterdir()] == [f"{job.name}.json"]


def test_versions_are_not_used_twice_after_a_deletion(ws, deployed):
    deployed()
    deployed(mini_batch_size=2)
    ws.deployments.delete("heart", "first")
    assert deployed().version == 3


def test_a_compute_comes_back_as_it_was_put(ws):
    given = AmlCompute(
        name="cluster", size="STANDARD_DS11_V2", min_instances=0, max_instances=4, tier="Dedicated"
    )
    assert ws.computes.put(given) == given
    assert [compute.name for compute in ws.computes.list()] == ["cluster", "local"]
    ws.computes.delete("cluster")
    assert [compute.name for compute in ws.computes.list()] == ["local"]


def test_local_can_be_changed_and_not_deleted(ws):
    ws.computes.put(AmlCompute(name="local", max_instances=8))
    assert ws.computes.get("local").max_instances == 8
    with pytest.raises(StateError, match="always there"):
        ws.computes.delete("local")


def test_a_compute_in_use_is_not_deleted(ws, deployed, spec):
    ws.computes.put(AmlCompute(name="cluster"))
    deployed(compute="azureml:cluster")
    with pytest.raises(StateError, match="deployment heart/first"):
        ws.computes.delete("cluster")
    deployed(compute="local")
    job = ws.jobs.submit(spec(compute="cluster"))
    with pytest.raises(StateError, match=job.name):
        ws.computes.delete("cluster")
    ws.jobs.request_cancel(job.name)
    ws.computes.delete("cluster")


def test_names_that_differ_in_case_only_are_refused(ws):
    ws.computes.put(AmlCompute(name="Cluster"))
    with pytest.raises(ResourceExistsError, match="'Cluster' only in its letter case"):
        ws.computes.put(AmlCompute(name="cluster"))
    assert ws.computes.get("cluster").name == "Cluster"


def test_two_processes_that_deploy_at_once_get_two_versions(ws, deployed, peers):
    deployed()
    both = [peers(), peers()]
    for one in both:
        one.ask(
            "from batchmagic.workspace import Workspace; from batchmagic.entities import *; "
            "from batchmagic.entities.job_spec import Interpreter; "
            f"ws = Workspace.open({str(ws.root)!r}); p = Interpreter(executable='a', version='b', prefix='c')"
        )
    for number, one in enumerate(both):
        one.tell(
            f"d = BatchDeployment(name='first', endpoint_name='heart', mini_batch_size={number + 20}); "
            "answer = ws.deployments.put(d, interpreter=p, model=None).version"
        )
    assert sorted(one.hear() for one in both) == ["2", "3"]
