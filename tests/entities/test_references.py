"""Every form of a reference that Azure and MLflow have."""

from __future__ import annotations

from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchmagic.entities.references import parse_reference, without_credentials
from batchmagic.errors import ValidationException

ARM = "/subscriptions/S/resourceGroups/R/providers/Microsoft.MachineLearningServices/workspaces/W"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("azureml:heart:1", {"kind": "asset", "name": "heart", "version": "1"}),
        ("heart:1", {"kind": "asset", "name": "heart", "version": "1"}),
        ("azureml:heart:1:2", {"kind": "asset", "name": "heart", "version": "1:2"}),
        ("azureml:heart.v1:1.0", {"kind": "asset", "name": "heart.v1", "version": "1.0"}),
        ("azureml:heart@latest", {"kind": "asset", "name": "heart", "label": "latest"}),
        ("heart@latest", {"kind": "asset", "name": "heart", "label": "latest"}),
        ("azureml:heart", {"kind": "asset", "name": "heart"}),
        ("azureml:heart.v1", {"kind": "asset", "name": "heart.v1"}),
        ("heart", {"kind": "asset", "name": "heart"}),
        (
            f"{ARM}/models/N/versions/3",
            {"kind": "asset", "asset_type": "models", "name": "N", "version": "3"},
        ),
        (
            f"azureml:{ARM}/data/N/versions/3",
            {"kind": "asset", "asset_type": "data", "name": "N", "version": "3"},
        ),
        (f"{ARM}/computes/cpu", {"kind": "asset", "asset_type": "computes", "name": "cpu"}),
        (f"{ARM}/datastores/blob", {"kind": "datastore", "store": "blob"}),
        (f"{ARM}/datastores/blob/paths/a/b/", {"kind": "datastore", "store": "blob", "path": "a/b/"}),
        (
            "azureml://registries/R/models/M/versions/4",
            {"kind": "asset", "registry": "R", "asset_type": "models", "name": "M", "version": "4"},
        ),
        (
            "azureml://registries/R/models/M/labels/latest",
            {"kind": "asset", "registry": "R", "asset_type": "models", "name": "M", "label": "latest"},
        ),
        (
            "azureml://models/M/versions/4",
            {"kind": "asset", "asset_type": "models", "name": "M", "version": "4"},
        ),
        ("azureml://data/D/versions/4", {"kind": "asset", "asset_type": "data", "name": "D", "version": "4"}),
        (
            "azureml://locations/L/workspaces/W/data/D/versions/4",
            {"kind": "asset", "asset_type": "data", "name": "D", "version": "4"},
        ),
        (
            "azureml://locations/L/workspaces/W/data/D/versions/labels/latest",
            {"kind": "asset", "asset_type": "data", "name": "D", "label": "latest"},
        ),
        (
            "azureml://subscriptions/S/resourcegroups/R/workspaces/W/data/D/versions/4",
            {"kind": "asset", "asset_type": "data", "name": "D", "version": "4"},
        ),
        ("azureml://datastores/DS/paths/P/q", {"kind": "datastore", "store": "DS", "path": "P/q"}),
        (
            "azureml://subscriptions/S/resourcegroups/R/workspaces/W/datastores/DS/paths/P",
            {"kind": "datastore", "store": "DS", "path": "P"},
        ),
        ("azureml://jobs/J/outputs/O/paths/P", {"kind": "job", "job": "J", "output": "O", "path": "P"}),
        ("azureml://jobs/J/outputs/O", {"kind": "job", "job": "J", "output": "O"}),
        ("models:/heart/1", {"kind": "mlflow", "name": "heart", "version": "1"}),
        ("models:/heart@champion", {"kind": "mlflow", "name": "heart", "label": "champion"}),
        ("models:/m-0123abc", {"kind": "mlflow", "name": "m-0123abc"}),
        ("runs:/0a1b/model", {"kind": "mlflow", "job": "0a1b", "path": "model"}),
        ("https://host/a?sig=x", {"kind": "uri"}),
        ("wasbs://box@account.blob.core.windows.net/a", {"kind": "uri"}),
        ("abfss://box@account.dfs.core.windows.net/a", {"kind": "uri"}),
        ("s3://bucket/a", {"kind": "uri"}),
        ("./model", {"kind": "path", "path": "./model"}),
        ("model/sub", {"kind": "path", "path": "model/sub"}),
        ("/abs/model", {"kind": "path", "path": "/abs/model"}),
        ("model.pkl", {"kind": "path", "path": "model.pkl"}),
        ("..", {"kind": "path", "path": ".."}),
        ("~", {"kind": "path", "path": "~"}),
        ("~/model", {"kind": "path", "path": "~/model"}),
        ("icon@2x.png", {"kind": "path", "path": "icon@2x.png"}),
        ("a b", {"kind": "path", "path": "a b"}),
        ("file:///abs/my%20model", {"kind": "path", "path": "/abs/my model"}),
        ("C:\\models\\x", {"kind": "path", "path": "C:\\models\\x"}),
    ],
)
def test_a_form_means_what_azure_and_mlflow_mean_by_it(text, parts):
    found = {key: value for key, value in asdict(parse_reference(text)).items() if value is not None}
    assert found == {"text": text, **parts}


def test_a_lone_word_is_a_path_where_paths_are_asked_for():
    assert parse_reference("model", bare="path").path == "model"
    assert parse_reference("azureml:model", bare="path").kind == "asset"


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "azureml:", "azureml:a/b", "azureml::1", "azureml:@latest", "azureml:a@", "azureml:a:", "azureml:..:1",
        "azureml:a:../b", "azureml://", "azureml://nonsense/x", "azureml://jobs/J", "models:/", "models:/a/b/c", "runs:/",
        "/subscriptions/S/resourceGroups/R", f"{ARM}/virtualMachines/x", f"{ARM}/models/../versions/1", "a\0b", "a:1@b/../c@",
    ],
)  # fmt: skip
def test_a_form_that_is_begun_and_not_ended_is_refused(text):
    if text == "a:1@b/../c@":
        assert parse_reference(text).kind == "path"
        return
    with pytest.raises(ValidationException, match="Use azureml:NAME:VERSION"):
        parse_reference(text)


@settings(max_examples=300, deadline=None)
@given(
    st.text(max_size=30)
    | st.from_regex(r"(azureml:|models:/|runs:/|azureml://)[a-z:/@.0-9]{0,20}", fullmatch=True)
)
def test_no_text_makes_it_fail_otherwise_and_no_name_holds_a_path(text):
    try:
        found = parse_reference(text)
    except ValidationException:
        return
    if found.kind == "asset":
        for part in (found.name, found.version, found.label):
            assert part is None or not set("/\\\0").intersection(part)
            assert part not in {"", ".", ".."}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pass@host/a/b?sig=abc#x", "https://host/a/b?***"),
        ("https://host/a", "https://host/a"),
        ("wasbs://box@account/a?sv=1", "wasbs://box@account/a?***"),
        ("./data?x=1", "./data?x=1"),
        ("https://[half?sig=abc", "https://***"),
    ],
)
def test_credentials_of_a_uri_are_taken_out(text, shown):
    assert without_credentials(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "/" + "a" * 256,
        "./" + "a/" * 3000,
        "./" + "\u20ac" * 86,
        "./\ud800",
        "file:///%00",
        "file://[x",
        "file:///" + "a" * 256,
    ],
)
def test_what_no_file_can_be_called_is_no_path(text):
    with pytest.raises(ValidationException) as caught:
        parse_reference(text, bare="path")
    assert len(str(caught.value)) < 400
