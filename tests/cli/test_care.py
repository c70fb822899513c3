"""`doctor` and `backup` on the command line: what they print, and the codes they end with."""

from __future__ import annotations

import json
import tarfile
from typing import TYPE_CHECKING

import pytest
from sdk_support import run_job

from batchmagic.cli.main import main

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic import MLClient
    from batchmagic.workspace import Workspace


def test_backup_says_how_to_use_it(
    client: MLClient, held: Workspace, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = client.batch_endpoints.invoke("heart", input="./data").name
    run_job(held, name)
    assert main(["backup", "../night.tar"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Copied 1 job and all else but secrets to ")
    assert "tar -xf night.tar -C FOLDER" in out
    with tarfile.open(project.parent / "night.tar") as tar:
        names = tar.getnames()
    assert f".batchmagic/jobs/{name}/outputs/score/predictions.csv" in names
    assert names[0] == ".batchmagic"
    assert main(["backup", "../night.tar"]) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert main(["backup", "../night.tar", "--overwrite", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["jobs"], document["notes"]) == (1, [])
    assert document["size"] == (project.parent / "night.tar").stat().st_size


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("backup", "FILE"),
        ("backup .batchmagic/x.tar", "lies in the workspace itself"),
        ("backup nowhere/x.tar", "does not exist"),
        ("backup x.zip", ".tar.gz"),
    ],
)
def test_a_backup_that_cannot_be_there_is_wrong_usage(
    client: MLClient, words: str, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = main(words.split())
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 2
    assert says in capsys.readouterr().err


def test_without_a_workspace_there_is_nothing_to_back_up(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["backup", "x.tar"]) == 2
    assert "no workspace" in capsys.readouterr().err
    assert list(project.glob("*.tar")) == []


def test_doctor_wakes_nobody(client: MLClient, held: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    client.batch_endpoints.invoke("heart", input="./data")
    held.claims.release(held.claims.acquire("compute/local", force=True))
    assert main(["doctor", "--format", "yaml"]) == 0
    assert "nobody serves it, and 1 job not finished" in capsys.readouterr().out
    assert held.claims.holder("compute/local") is None
    assert list((held.root / "compute").glob("*/host.log")) == []
