"""Entity objects of the real ``azure-ai-ml`` package are accepted where ours are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from azure_support import with_azure

pytestmark = pytest.mark.timeout(150)
KINDS = ("endpoint", "compute", "model", "data", "new form", "flat form")


@pytest.fixture(scope="module")
def results(session_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("real")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHMAGIC_WORKSPACE", str(session_workspace.root))
        done = with_azure(str(Path(__file__).with_name("real_entities.py")), cwd=folder)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whose", ["real", "mixed"])
def test_what_is_stored_is_the_same(results, whose, kind):
    ours, found = dict(results["ours"][kind]), dict(results[whose][kind])
    for values in (ours, found):
        # Each registration makes the next version.
        values.pop("version", None)
        values["path"] = Path(values.get("path", "")).name
        for part in ("model", "environment"):
            values[part] = str(values.get(part)).rpartition(":")[0]
    assert found == ours


def test_a_job_runs_on_them(results):
    assert results["output"] == "hello 0.csv\nhello 1.csv\nhello 2.csv\n"
