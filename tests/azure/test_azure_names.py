"""`import azure.ai.ml` means us while it is on, whether Azure's own package is installed or not, and nothing after."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from azure_support import ROOT, with_azure

SCRIPT = str(Path(__file__).with_name("turned_names.py"))
OURS = {
    "from azure.ai.ml import MLClient": "batchmagic.sdk.client",
    "from azure.ai.ml.entities import BatchEndpoint": "batchmagic.entities.endpoint",
    "from azure.ai.ml.constants import AssetTypes": "batchmagic.constants",
    "from azure.ai.ml.exceptions import JobException": "batchmagic.errors",
    "from azure.ai.ml.operations import JobOperations": "batchmagic.sdk.jobs",
    "from azure.identity import ClientSecretCredential": "batchmagic.azure.identity",
}
REFUSED = (
    "from azure.ai.ml.entities import ManagedOnlineEndpoint",
    "import azure.ai.ml.automl",
    "from azure.ai.ml import command",
)


@pytest.fixture(scope="module")
def alone():
    done = subprocess.run(
        [sys.executable, SCRIPT], cwd=ROOT, text=True, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=[(), ("before",)], ids=["imported after", "imported before"])
def beside(request):
    return json.loads(with_azure(SCRIPT, *request.param).stdout)


def test_without_azures_package_the_names_are_ours_and_then_gone(alone):
    assert all(found.startswith("ModuleNotFoundError") for found in alone["before"].values())
    assert {statement: alone["during"][statement] for statement in OURS} == OURS
    assert alone["during"]["from azure.core.exceptions import HttpResponseError"] == "batchmagic.errors"
    assert alone["during"]["from azure.core.credentials import AccessToken"] == "batchmagic.azure.identity"
    assert alone["after"] == alone["before"]
    assert alone["left"] == []


def test_with_azures_package_the_names_are_ours_and_then_its_own_again(beside):
    assert beside["before"]["from azure.ai.ml import MLClient"] == "azure.ai.ml._ml_client"
    assert {statement: beside["during"][statement] for statement in OURS} == OURS
    assert beside["during"]["from azure.core.exceptions import HttpResponseError"] == "azure.core.exceptions"
    assert beside["after"] == beside["before"]
    assert beside["left"] == []


@pytest.mark.parametrize("statement", REFUSED)
def test_what_is_not_here_says_so_by_name(alone, beside, statement):
    for found in (alone, beside):
        assert found["during"][statement].startswith("ModuleNotSupported: azure.ai.ml")
        assert "%batch azure off" in found["during"][statement]


def test_our_errors_are_caught_as_azures(alone, beside):
    everywhere = {
        "ResourceNotFoundError as ResourceNotFoundError",
        "ResourceNotFoundError as HttpResponseError",
        "ResourceNotFoundError as AzureError",
        "UsageError as HttpResponseError",
        "UsageError as AzureError",
        "JobException as AzureError",
    }
    assert everywhere == {*alone["caught"]} == {*beside["caught"]}
