"""Where an export goes: whole or not at all, and what is somebody else's stays."""

from __future__ import annotations

import compileall
import os
from typing import TYPE_CHECKING

import pytest
from export_support import client_in, write_code

from batchmagic.cli.main import main
from batchmagic.entities import BatchDeployment, BatchEndpoint, Environment, Model
from batchmagic.entities.job_spec import Interpreter
from batchmagic.errors import (
    BatchMagicError,
    DiskError,
    InterpreterMissing,
    ResourceExistsError,
    ResourceNotFoundError,
    ValidationException,
)
from batchmagic.sdk.export import files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic import MLClient


@pytest.fixture
def client(tmp_path: Path) -> Iterator[MLClient]:
    found = client_in(tmp_path / "workspace")
    found.batch_endpoints.begin_create_or_update(BatchEndpoint(name="heart"))
    code = write_code(tmp_path / "code")
    found.environments.create_or_update(Environment(name="env", image="i"))
    found.models.create_or_update(Model(name="risk", path=str(code / "helper.py")))
    found.batch_deployments.begin_create_or_update(
        BatchDeployment(
            name="classifier",
            endpoint_name="heart",
            environment="env",
            model="risk",
            code_path=str(code),
            scoring_script="score.py",
        )
    )
    yield found
    found.session.close()


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_new_folder_and_an_empty_one_get_the_same(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    inode = (tmp_path / "empty").stat().st_ino
    for name in ("new", "empty"):
        assert client.batch_endpoints.export("heart", tmp_path / name).folder == tmp_path / name
    assert tree(tmp_path / "new") == tree(tmp_path / "empty")
    assert (tmp_path / "empty").stat().st_ino == inode
    assert os.access(tmp_path / "new" / "deploy.sh", os.X_OK)
    code = tmp_path / "new" / "deployments" / "classifier" / "code"
    assert os.access(code / "run.sh", os.X_OK)
    assert os.access(code / "score.py", os.W_OK)


def test_modules_that_scoring_has_compiled_stay_here(client: MLClient, tmp_path: Path) -> None:
    (snapshot,) = (tmp_path / "workspace").rglob("code/*/score.py")
    snapshot.parent.chmod(0o700)
    assert compileall.compile_dir(snapshot.parent, quiet=2)
    client.batch_endpoints.export("heart", tmp_path / "out")
    exported = [path.name for path in (tmp_path / "out/deployments/classifier/code").iterdir()]
    assert sorted(exported) == ["helper.py", "run.sh", "score.py"]


def test_a_folder_that_is_not_empty_is_left_alone(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(ResourceExistsError, match="pass --overwrite"):
        client.batch_endpoints.export("heart", tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine.txt": b"mine"}


def test_overwrite_replaces_the_last_export_and_nothing_else(client: MLClient, tmp_path: Path) -> None:
    out = client.batch_endpoints.export("heart", tmp_path / "out").folder
    (out / "models" / "mine.bin").write_bytes(b"mine")
    (out / "deployments" / "classifier" / "code" / "mine.py").write_text("mine")
    deployment = client.batch_deployments.get("classifier", "heart")
    deployment.code_path = str(write_code(tmp_path / "other"))
    (tmp_path / "other" / "run.sh").unlink()
    client.batch_deployments.begin_create_or_update(deployment)
    client.batch_endpoints.export("heart", out, overwrite=True)
    found = tree(out)
    assert found["models/mine.bin"] == b"mine"
    assert "deployments/classifier/code/mine.py" in found
    assert "deployments/classifier/code/run.sh" not in found
    assert min(found) == ".batchmagic-export"
    client.batch_deployments.begin_delete("classifier", "heart")
    client.batch_deployments.begin_create_or_update(
        BatchDeployment(
            name="other",
            endpoint_name="heart",
            environment="env",
            code_path=str(tmp_path / "other"),
            scoring_script="score.py",
        )
    )
    client.batch_endpoints.export("heart", out, overwrite=True)
    assert not (out / "models" / "risk").exists()
    assert tree(out / "deployments" / "classifier") == {"code/mine.py": b"mine"}


def test_overwrite_replaces_a_file_of_the_same_name_and_no_folder(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "README.md").write_text("mine")
    client.batch_endpoints.export("heart", tmp_path / "out", overwrite=True)
    assert "batchmagic export" in (tmp_path / "out" / "README.md").read_text()
    (tmp_path / "two" / "deploy.sh").mkdir(parents=True)
    with pytest.raises(ResourceExistsError, match="is a folder"):
        client.batch_endpoints.export("heart", tmp_path / "two", overwrite=True)
    assert [p.name for p in (tmp_path / "two").iterdir()] == ["deploy.sh"]


def test_a_list_of_files_that_was_tampered_with_leads_nowhere_else(client: MLClient, tmp_path: Path) -> None:
    out = client.batch_endpoints.export("heart", tmp_path / "out").folder
    (tmp_path / "precious").write_text("mine")
    (out / ".batchmagic-export").write_text(f"../precious\n{tmp_path}/precious\n")
    client.batch_endpoints.export("heart", out, overwrite=True)
    assert (tmp_path / "precious").read_text() == "mine"


def test_an_error_leaves_everything_as_it_was(
    client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = client.batch_endpoints.export("heart", tmp_path / "out").folder
    before = {str(p.relative_to(tmp_path)) for p in tmp_path.iterdir()}, tree(out)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "copy_files", full)
    for place, overwrite in ((out, True), (tmp_path / "new", False)):
        with pytest.raises(DiskError, match="is full"):
            client.batch_endpoints.export("heart", place, overwrite=overwrite)
    assert ({str(p.relative_to(tmp_path)) for p in tmp_path.iterdir()}, tree(out)) == before


def test_a_file_that_cannot_get_its_place_puts_all_others_back(client: MLClient, tmp_path: Path) -> None:
    out = client.batch_endpoints.export("heart", tmp_path / "out").folder
    (out / "deployments").rename(out / "kept")
    (out / "deployments").write_text("a file where a folder has to be")
    before = tree(out)
    with pytest.raises(BatchMagicError):
        client.batch_endpoints.export("heart", out, overwrite=True)
    assert tree(out) == before
    assert {p.name for p in out.iterdir() if p.name.startswith(".batchmagic-export-")} == set()


@pytest.mark.parametrize(
    ("endpoint", "place", "told"),
    [
        ("heart", "code/score.py", (ValidationException, "is a file")),
        ("heart", "nowhere/out", (ValidationException, "mkdir -p")),
        ("heart", "workspace/out", (ValidationException, "workspace itself")),
        ("hart", "out", (ResourceNotFoundError, "Did you mean 'heart'")),
        ("bare", "out", (ResourceNotFoundError, "no deployment to export")),
    ],
)
def test_what_cannot_be_exported(
    endpoint: str, place: str, told: tuple[type[Exception], str], client: MLClient, tmp_path: Path
) -> None:
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="bare"))
    with pytest.raises(told[0], match=told[1]):
        client.batch_endpoints.export(endpoint, tmp_path / place)
    assert not (tmp_path / "out").exists()


def test_a_python_that_is_gone_has_no_packages_to_name(client: MLClient, tmp_path: Path) -> None:
    deployment = BatchDeployment(
        name="gone", endpoint_name="heart", code_path=str(tmp_path / "code"), scoring_script="score.py"
    )
    gone = Interpreter(executable="/nowhere/python", version="3.11.0", prefix="/nowhere")
    client.batch_deployments.begin_create_or_update(deployment, interpreter=gone)
    with pytest.raises(InterpreterMissing):
        client.batch_endpoints.export("heart", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_model_that_was_deleted_goes_out_with_the_deployment_that_uses_it(
    client: MLClient, tmp_path: Path
) -> None:
    client.models.begin_delete("risk")
    out = client.batch_endpoints.export("heart", tmp_path / "out").folder
    assert (out / "models" / "risk" / "1" / "files" / "helper.py").is_file()


def test_a_build_context_goes_with_its_environment(client: MLClient, tmp_path: Path) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker" / "Dockerfile").write_text("FROM scratch\n")
    client.environments.create_or_update(
        Environment(name="env", build={"path": str(tmp_path / "docker"), "dockerfile_path": "Dockerfile"})
    )
    deployment = client.batch_deployments.get("classifier", "heart")
    deployment.environment = "env@latest"
    client.batch_deployments.begin_create_or_update(deployment)
    out = client.batch_endpoints.export("heart", tmp_path / "out").folder
    assert (out / "environments" / "env" / "2" / "build" / "Dockerfile").read_text() == "FROM scratch\n"
    assert "path: build\n" in (out / "environments" / "env" / "2" / "environment.yml").read_text()


def test_the_verb(
    client: MLClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BATCHMAGIC_WORKSPACE", str(tmp_path / "workspace"))
    assert main(["export", "heart", "out", "--no-model-files"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[0].startswith("Exported heart with 1 deployment to ")
    assert "The files of the model `risk`, version 1, were left out." in err
    folder = tmp_path / "out" / "models" / "risk" / "1"
    assert [p.name for p in folder.iterdir()] == ["model.yml"]
    assert folder.joinpath("model.yml").read_text().startswith("# Its files were left out (--no-model-files)")
    assert main(["export", "heart", "out"]) == 2
    assert "pass --overwrite" in capsys.readouterr().err
    assert main(["export", "heart", "out", "--overwrite"]) == 0
    assert (folder / "files" / "helper.py").is_file()
