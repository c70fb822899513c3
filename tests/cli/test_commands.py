"""The verbs over a real workspace; no host runs, so jobs end when a test says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml
from sdk_support import run_job

from batchmagic.cli.main import main
from batchmagic.entities.status import JobStatus

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic import MLClient
    from batchmagic.workspace import Workspace


@pytest.fixture
def run(project: Path, capsys: pytest.CaptureFixture[str]):
    """A function that runs words in the project and returns code, output and errors."""

    def act(words: str) -> tuple[int, str, str]:
        code = main(words.split())
        out, err = capsys.readouterr()
        return code, out, err

    return act


@pytest.fixture
def ok(run):
    """`run` for commands that succeed: returns the output."""

    def act(words: str) -> str:
        code, out, err = run(words)
        assert code == 0, err
        return out

    return act


@pytest.fixture
def read(ok):
    """A function that returns what a command prints as JSON."""
    return lambda words: json.loads(ok(f"{words} --format json"))


def test_deploy_makes_endpoint_and_default_and_says_so(project: Path, run) -> None:
    code, out, err = run("deploy heart/classifier --code code --scoring-script score.py")
    assert code == 0
    assert "Made the workspace" in err
    assert "Made the endpoint heart" in err
    assert out.splitlines() == [
        "Deployed heart/classifier, version 1, the default of heart",
        "Next: batchmagic invoke heart --input PATH",
    ]
    _, out, err = run(
        "deploy heart/second --code code --scoring-script code/score.py --mini-batch-size 3 --timeout 9"
    )
    assert (out.splitlines()[0], err) == ("Deployed heart/second, version 1", "")
    assert "the default of heart" in run("deploy heart/second --scoring-script code/score.py --default")[1]


def test_deploy_writes_csv_unless_the_name_says_otherwise(ok, read) -> None:
    for option, form in (
        ("", "csv"),
        ("--output-file-name p.txt", "csv"),
        ("--output-file-name p.parquet", "parquet"),
        ("--output-format azure", "azure"),
    ):
        ok(f"deploy heart/classifier --code code --scoring-script score.py {option}")
        assert read("deployment show heart/classifier")["settings"]["output_format"] == form


def test_a_failed_deploy_makes_nothing(project: Path, run) -> None:
    (project / "code" / "score.py").write_text("def score(x): pass\n")
    code, _, err = run("deploy heart/classifier --code code --scoring-script score.py")
    assert code == 2
    assert "has no run(mini_batch)" in err
    assert not (project / ".batchmagic").exists()


def test_variables(monkeypatch: pytest.MonkeyPatch, ok, run, read, held: Workspace) -> None:
    monkeypatch.setenv("TOKEN_HERE", "s3cret")
    ok("deploy heart/classifier --code code --scoring-script score.py --env A=b=c --env TOKEN_HERE")
    shown = ok("deployment show heart/classifier")
    assert "s3cret" not in shown
    assert read("deployment show heart/classifier")["environment_variables"] == {
        "A": "(set)",
        "TOKEN_HERE": "(set)",
    }
    ok("invoke heart --input ./data --no-wait --env A=other --job-name one")
    assert held.secrets.get("one") == {"A": "other", "TOKEN_HERE": "s3cret"}
    assert "has no value here" in run("invoke heart --input ./data --env NOT_SET_ANYWHERE")[2]


def test_endpoint_verbs(ok, run, read, client: MLClient) -> None:
    ok("endpoint create other --description words")
    assert {row["name"] for row in read("endpoint list")} == {"heart", "other"}
    ok("endpoint update heart --default classifier --set tags.a=b")
    shown = read("endpoint show heart")
    assert (shown["default"], shown["tags"], shown["deployments"]) == (
        "classifier",
        {"a": "b"},
        ["classifier"],
    )
    assert run("endpoint update heart --default nix")[0] == 2
    ok("endpoint delete other")
    assert [row["name"] for row in read("endpoint list")] == ["heart"]


def test_deployment_verbs(project: Path, ok, run, read, client: MLClient) -> None:
    (project / "d.yml").write_text(
        "name: fromyaml\nendpoint_name: heart\ncode_configuration: {code: code, scoring_script: score.py}\n"
        "settings: {mini_batch_size: 4}\n"
    )
    ok("deployment create --file d.yml --timeout 8 --set settings.max_concurrency_per_instance=2")
    shown = read("deployment show heart/fromyaml")["settings"]
    assert (shown["mini_batch_size"], shown["timeout"], shown["max_concurrency_per_instance"]) == (4, 8, 2)
    assert shown["output_format"] == "azure"
    (project / "code" / "score.py").write_text("not python any more")
    out = ok("deployment update heart/fromyaml --set mini_batch_size=50")
    assert out == "heart/fromyaml is now version 2\n"
    assert read("deployment show heart/fromyaml")["settings"]["mini_batch_size"] == 50
    assert [row["name"] for row in read("deployment list heart")] == ["classifier", "fromyaml"]
    ok("deployment delete heart/fromyaml")
    assert run("deployment show heart/fromyaml")[0] == 2


def test_a_bad_definition_is_told_with_its_line(project: Path, run, client: MLClient) -> None:
    (project / "d.yml").write_text("name: bad\nendpoint_name: heart\nmini_batch_sise: 4\n")
    code, _, err = run("deployment create --file d.yml")
    assert code == 2
    assert "line 3" in err
    assert "mini_batch_size" in err


def test_asset_verbs(project: Path, ok, run, read, client: MLClient) -> None:
    assert "Registered data patients, version 1" in ok("data create patients --path ./data")
    ok("data create one --path ./data/0.csv")
    assert read("data show one")["type"] == "uri_file"
    ok("data create patients --path ./data --description again")
    assert [row["version"] for row in read("data list patients")] == ["2", "1"]
    ok("data archive patients:2")
    assert read("data show patients")["version"] == "1"
    ok("data restore patients:2")
    ok("data delete patients:1")
    assert [row["version"] for row in read("data list patients")] == ["2"]
    (project / "weights.bin").write_bytes(b"1")
    ok("model create weights --path weights.bin")
    assert read("model show weights:1")["type"] == "custom_model"
    (project / "conda.yml").write_text("dependencies: [python=3.11]\n")
    ok("environment create env --conda-file conda.yml --image some/image")
    assert [row["name"] for row in read("environment list")] == ["env"]
    assert run("model show nix")[0] == 2


def test_compute_verbs(ok, run, read, client: MLClient) -> None:
    ok("compute create batch-cluster --max-instances 3 --idle-time 5")
    shown = read("compute show batch-cluster")
    assert (shown["max_instances"], shown["idle_time"], shown["host"]) == (3, 5, "none")
    ok("compute delete batch-cluster")
    assert [row["name"] for row in read("compute list")] == ["local"]
    assert run("compute delete local")[0] == 2


def test_apply(project: Path, ok, run, read) -> None:
    (project / "all.yml").write_text(
        """
kind: endpoint
name: heart
defaults: {deployment_name: classifier}
---
kind: deployment
name: classifier
endpoint_name: heart
compute: azureml:batch-cluster
code_configuration: {code: code, scoring_script: score.py}
---
kind: compute
name: batch-cluster
type: amlcompute
max_instances: 3
"""
    )
    assert [row["kind"] for row in json.loads(ok("apply --file all.yml --format json"))] == [
        "compute",
        "endpoint",
        "deployment",
    ]
    assert read("endpoint show heart")["default"] == "classifier"
    ok("apply --file all.yml")


def test_apply_of_a_bad_file_makes_nothing(project: Path, run) -> None:
    (project / "all.yml").write_text("kind: endpoint\nname: heart\n---\nkind: endpoint\nname: a/b\n")
    code, _, err = run("apply --file all.yml")
    assert code == 2
    assert "line 5" in err
    assert not (project / ".batchmagic").exists()


def test_dry_run_writes_nothing(ok, state, client: MLClient) -> None:
    before = state()
    plan = yaml.safe_load(ok("invoke heart --input ./data --mini-batch-size 2 --dry-run --format yaml"))
    assert (plan["files"], plan["mini_batches"]) == (5, 3)
    assert state() == before


def test_invoke_without_waiting(ok, run, held: Workspace) -> None:
    out = ok("invoke heart/classifier --input ./data --no-wait --job-name amber-falcon-3f9a --set timeout=9")
    assert out.splitlines()[0] == "amber-falcon-3f9a"
    record = held.jobs.get("amber")
    assert (record.status, record.spec.settings.timeout) == ("Queued", 9)
    code, _, err = run("job wait amber --timeout 0.05")
    assert (code, "still Queued" in err) == (124, True)


def test_job_verbs_of_a_completed_job(project: Path, ok, run, read, held: Workspace) -> None:
    ok("invoke heart --input ./data --no-wait --job-name amber-falcon-3f9a")
    run_job(held, "amber-falcon-3f9a", failed=2)
    (row,) = read("job list heart")
    assert (row["status"], row["progress"]["files_failed"]) == ("Completed", 2)
    assert "Completed · 2 files failed" in ok("job list")
    code, out, err = run("job show last")
    assert (code, err) == (0, "last: amber-falcon-3f9a, the newest job of this workspace\n")
    assert "amber-falcon-3f9a" in out
    assert run("job wait amber")[0] == 0
    code, out, err = run("job stream amber --strict")
    assert code == 4
    assert "Execution Summary" in out
    assert "2 files failed: batchmagic job errors amber\n" in err
    assert "2 × ValueError: could not convert" in ok("job errors amber")  # noqa: RUF001
    assert "Traceback" in ok("job errors amber --full")
    assert read("job errors amber")[0]["files"] == 2
    assert ok("job logs amber") == "overview\n"
    assert ok("job logs amber driver.txt") == "driver\n"
    assert "sys/driver.txt" in ok("job logs amber --list")
    ok("job download amber --output-name score --path got")
    assert (project / "got" / "named-outputs" / "score" / "predictions.csv").is_file()
    ok("job delete amber")
    assert read("job list") == []


def test_a_failed_job_is_told_in_eight_lines(run, held: Workspace) -> None:
    run("invoke heart --input ./data --no-wait --job-name amber-falcon-3f9a")
    run_job(held, "amber-falcon-3f9a", JobStatus.FAILED, failed=2)
    code, out, err = run("job wait amber")
    assert (code, out) == (1, "")
    lines = err.splitlines()[1:]  # the first is progress
    assert lines[0] == "ValueError: could not convert string to float: 'n/a'"
    assert len(lines) <= 8
    assert lines[-1].split()[:5] == ["batchmagic", "job", "resume", "amber", "--set"]


def test_canceled_is_three(run, held: Workspace) -> None:
    run("invoke heart --input ./data --no-wait --job-name amber-falcon-3f9a")
    code, out, _ = run("job cancel amber")
    assert (code, out) == (0, "amber-falcon-3f9a is Canceled\n")
    assert run("job wait amber")[0] == 3
    assert run("job cancel amber")[0] == 2


def test_last_is_never_changed_by_accident(run, held: Workspace) -> None:
    assert "no job yet" in run("job show last")[2]
    run("invoke heart --input ./data --no-wait --job-name amber-falcon-3f9a")
    for verb in ("cancel", "resume", "delete"):
        code, _, err = run(f"job {verb} last")
        assert code == 2
        assert "amber-falcon-3f9a" in err
    assert held.jobs.get("amber").status == "Queued"


def test_resume(run, ok, held: Workspace) -> None:
    ok("invoke heart --input ./data --no-wait --job-name amber-falcon-3f9a")
    run_job(held, "amber-falcon-3f9a", JobStatus.FAILED, failed=2)
    assert ok("job resume amber --set error_threshold=-1").startswith("amber-falcon-3f9a goes on as run 2")
    assert held.jobs.get("amber").spec.settings.error_threshold == -1


def test_prune_and_workspace(ok, run, read, held: Workspace) -> None:
    for name in ("first", "second"):
        ok(f"invoke heart --input ./data --no-wait --job-name {name}")
        run_job(held, name)
    assert read("prune --dry-run") == []
    assert [row["name"] for row in read("prune --older-than 0s --keep 1 --dry-run")] == ["first"]
    assert len(held.jobs.list()) == 2
    _, out, err = run("prune --older-than 0s --keep 1")
    assert "first" in out
    assert "removed" in err
    assert [job.name for job in held.jobs.list()] == ["second"]
    shown = read("workspace")
    assert (shown["workspace"], shown["jobs"]) == (str(held.root), {"Completed": 1})


def test_a_named_workspace(project: Path, tmp_path: Path, ok, read) -> None:
    ok(f"endpoint create heart --workspace {tmp_path}/elsewhere")
    assert read("endpoint list") == []
    assert [row["name"] for row in read(f"endpoint list --workspace {tmp_path}/elsewhere")] == ["heart"]
    assert not (project / ".batchmagic").exists()


def test_reading_makes_no_workspace(project: Path, run) -> None:
    for words in (
        "job list",
        "endpoint list",
        "model list",
        "compute list",
        "deployment list",
        "workspace",
        "job show x",
    ):
        assert run(words)[0] in {0, 2}
    assert not (project / ".batchmagic").exists()
