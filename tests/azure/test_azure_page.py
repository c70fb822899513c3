"""docs/azure.md says of every class, argument and call of Azure's package what it is here."""

from __future__ import annotations

import re

import pytest
from azure_support import ROOT, with_azure

from batchmagic.errors import AttributeNotSupported
from batchmagic.sdk.client import MLClient
from batchmagic.sdk.pollers import finished
from batchmagic.sdk.refusals import REFUSED

PAGE = ROOT / "docs" / "azure.md"
HOMES = {
    "ComputeOperations": "compute",
    "DataOperations": "data",
    "DatastoreOperations": "datastores",
    "EnvironmentOperations": "environments",
    "JobOperations": "jobs",
    "ModelOperations": "models",
    "WorkspaceOperations": "workspaces",
}


def test_its_table_is_that_of_the_installed_package(tmp_path):
    fresh = tmp_path / "azure.md"
    fresh.write_text(PAGE.read_text())
    with_azure("docs/write_azure_table.py", str(fresh))
    assert fresh.read_text() == PAGE.read_text(), "`make reference` writes the page anew"


def test_every_row_says_one_of_three_things():
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(rows) > 300
    verdicts = [re.split(r"(?<!\\)\|", row)[2].strip() for row in rows]
    assert {*verdicts} <= {"same", "superset", "refused", "refused in part"}
    for row, verdict in zip(rows, verdicts, strict=True):
        assert "refused" not in verdict or re.search(r"because|without", row), row


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in REFUSED.items() for n in names])
def test_what_is_refused_says_why(kind, name, tmp_path):
    client = MLClient(tmp_path)
    owners = {"MLClient": client, "LROPoller": finished(None)}
    owner = owners.get(kind) or getattr(client, HOMES[kind])
    with pytest.raises(AttributeNotSupported) as caught:
        getattr(owner, name)
    assert f"{kind}.{name}" in caught.value.message
    assert REFUSED[kind][name] in caught.value.message
    assert not hasattr(owner, name)
