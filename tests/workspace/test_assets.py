"""Assets: snapshots that do not change, versions that rise, files that stay while they are used."""

from __future__ import annotations

import os
import shutil
import stat
import threading
from pathlib import Path

import pytest
from workspace_support import tree

from batchmagic.entities import Data, Environment, Model
from batchmagic.entities.status import JobStatus
from batchmagic.errors import (
    DefinitionError,
    InputError,
    ResourceExistsError,
    ResourceNotFoundError,
    ValidationException,
)
from batchmagic.workspace import snapshot


def register(ws, folder, name="heart", **values):
    return ws.assets.register_model(Model(name=name, path=folder, **values))


def directory(ws, name="heart", version=None):
    return ws.root / ws.assets.record("model", name, version).directory


def test_a_model_is_copied_hashed_and_read_only(ws, model_folder):
    model = register(ws, model_folder, description="d", tags={"a": "b"})
    assert (model.name, model.version, model.type, model.description) == ("heart", "1", "custom_model", "d")
    folder = directory(ws)
    assert [path.name for path in folder.iterdir()] == ["model"]
    assert model.path == str(folder / "model")
    assert tree(folder / "model") == tree(model_folder)
    record = ws.assets.record("model", "heart")
    assert (record.bytes, len(record.digest)) == (2560, 64)
    for path in (folder, *folder.rglob("*")):
        assert not path.stat().st_mode & 0o222
    (model_folder / "weights.bin").write_bytes(b"changed")
    assert (folder / "model" / "weights.bin").read_bytes() == bytes(range(256)) * 10


def test_a_single_file_is_a_model(ws, tmp_path):
    (tmp_path / "model.pkl").write_bytes(b"x")
    model = register(ws, tmp_path / "model.pkl")
    assert [path.name for path in directory(ws).iterdir()] == ["model.pkl"]
    assert os.path.basename(model.path) == "model.pkl"  # noqa: PTH119


def test_versions_rise_and_latest_is_the_newest(ws, model_folder):
    for number in range(1, 12):
        (model_folder / "weights.bin").write_bytes(bytes([number]))
        assert register(ws, model_folder).version == str(number)
    assert ws.assets.get("model", "heart").version == "11"
    assert ws.assets.get("model", "heart", label="latest").version == "11"
    assert ws.assets.get("model", "heart", "2").version == "2"
    assert [model.version for model in ws.assets.list("model", "heart")][:3] == ["11", "10", "9"]
    assert [model.version for model in ws.assets.list("model")] == ["11"]


def test_a_version_of_ones_own_and_the_next_number(ws, model_folder):
    assert register(ws, model_folder, version="7").version == "7"
    assert register(ws, model_folder).version == "8"
    assert register(ws, model_folder, version="2026-01-01").version == "2026-01-01"
    assert ws.assets.get("model", "heart").version == "2026-01-01"
    assert register(ws, model_folder).version == "9"


def test_a_version_does_not_change_its_content_but_its_description(ws, model_folder):
    register(ws, model_folder, version="1", description="one")
    assert register(ws, model_folder, version="1", description="two").description == "two"
    assert ws.assets.get("model", "heart", "1").description == "two"
    before = tree(ws.root / "assets")
    (model_folder / "weights.bin").write_bytes(b"other")
    with pytest.raises(ResourceExistsError, match="Version 1 of model 'heart'"):
        register(ws, model_folder, version="1")
    assert tree(ws.root / "assets") == before


def test_a_model_without_a_name_is_known_by_its_content(ws, model_folder):
    one = ws.assets.register_model(Model(path=model_folder))
    two = ws.assets.register_model(Model(path=model_folder))
    assert (one.name, one.version) == (two.name, two.version)
    assert one.version == "1"
    assert len(one.name) == 32
    (model_folder / "weights.bin").write_bytes(b"other")
    assert ws.assets.register_model(Model(path=model_folder)).name != one.name
    assert ws.assets.list("model") == []


@pytest.mark.parametrize("name", [None, "heart"])
def test_the_same_content_in_a_folder_of_another_name_is_another_model(ws, model_folder, name):
    other = shutil.copytree(model_folder, model_folder.with_name("elsewhere"))
    made = [
        ws.assets.register_model(Model(name=name, path=path), reuse=True) for path in (model_folder, other)
    ]
    assert [Path(str(model.path)).name for model in made] == [model_folder.name, "elsewhere"]
    again = ws.assets.register_model(Model(name=name, path=model_folder), reuse=True)
    assert (again.name, again.version) == (made[0].name, made[0].version)


def test_the_same_content_can_be_found_again(ws, model_folder):
    register(ws, model_folder)
    assert ws.assets.register_model(Model(name="heart", path=model_folder), reuse=True).version == "1"
    (model_folder / "weights.bin").write_bytes(b"other")
    assert ws.assets.register_model(Model(name="heart", path=model_folder), reuse=True).version == "2"


def _nothing(tmp):
    return tmp / "absent"


def _empty(tmp):
    (tmp / "empty").mkdir()
    return tmp / "empty"


def _pipe(tmp):
    (tmp / "m").mkdir()
    os.mkfifo(tmp / "m" / "pipe")
    return tmp / "m"


def _dangling(tmp):
    (tmp / "m").mkdir()
    (tmp / "m" / "link").symlink_to(tmp / "nowhere")
    return tmp / "m"


def _circle(tmp):
    (tmp / "m").mkdir()
    (tmp / "m" / "file").write_text("x")
    (tmp / "m" / "again").symlink_to(tmp / "m")
    return tmp / "m"


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (_nothing, "does not exist"),
        (_empty, "is an empty folder"),
        (_pipe, "neither a file nor a folder"),
        (_dangling, "leads nowhere"),
        (_circle, "into a circle"),
    ],
)
def test_what_cannot_be_copied_is_refused_and_leaves_nothing(ws, tmp_path, make, reason):
    path = make(tmp_path)
    with pytest.raises(ValidationException, match=reason):
        register(ws, path)
    assert ws.assets.list("model", "heart") == []
    assert tree(ws.root / "assets") == {}
    assert list((ws.root / "assets").glob(".incoming/*")) == []


def test_an_mlflow_model_must_be_one(ws, model_folder):
    with pytest.raises(ValidationException, match="no file MLmodel"):
        register(ws, model_folder, type="mlflow_model")
    (model_folder / "MLmodel").write_text("flavors: {}\n")
    assert register(ws, model_folder, type="mlflow_model").type == "mlflow_model"


def test_links_are_followed_and_odd_names_are_kept(ws, tmp_path, model_folder):
    (tmp_path / "outside.txt").write_text("outside")
    (model_folder / "link.txt").symlink_to(tmp_path / "outside.txt")
    (model_folder / "run.sh").write_text("#!/bin/sh\n")
    (model_folder / "run.sh").chmod(0o755)
    (model_folder / "a b\nc,é").write_text("odd")
    raw = os.fsencode(model_folder) + b"/not-utf8-\xff"
    with open(raw, "wb") as file:  # noqa: PTH123
        file.write(b"raw")
    register(ws, model_folder)
    copied = directory(ws) / "model"
    assert (copied / "link.txt").read_text() == "outside"
    assert not (copied / "link.txt").is_symlink()
    assert (copied / "a b\nc,é").read_text() == "odd"
    assert stat.S_IMODE((copied / "run.sh").stat().st_mode) == 0o555
    with open(os.fsencode(copied) + b"/not-utf8-\xff", "rb") as file:  # noqa: PTH123
        assert file.read() == b"raw"


def test_the_hash_tells_names_contents_and_execute_bits_apart(tmp_path):
    def digest(number, **files):
        folder = tmp_path / f"s{number}"
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        return snapshot.take(folder, tmp_path / f"t{number}").digest

    base = digest(1, a="1", b="2")
    assert digest(2, b="2", a="1") == base
    assert (
        len({base, digest(3, a="2", b="1"), digest(4, a="1"), digest(5, a="1", c="2"), digest(6, ab="12")})
        == 5
    )
    (tmp_path / "s1" / "a").chmod(0o755)
    assert snapshot.take(tmp_path / "s1", tmp_path / "t7").digest != base


def test_code_is_kept_once_by_content_without_what_is_no_code(ws, tmp_path):
    code = tmp_path / "code"
    for name in ("__pycache__", ".git", ".batchmagic", "package"):
        (code / name).mkdir(parents=True)
        (code / name / "file.py").write_text("x = 1\n")
    (code / "score.py").write_text("def run(b): return b\n")
    one = ws.assets.register_code(code)
    assert one == ws.assets.register_code(code)
    assert set(tree(ws.root / one)) == {"score.py", "package/file.py"}
    (code / "score.py").write_text("def run(b): return []\n")
    two = ws.assets.register_code(code)
    assert two != one
    assert (ws.root / one / "score.py").read_text() == "def run(b): return b\n"
    assert sorted(path.name for path in (ws.root / "assets" / "code").iterdir()) == sorted(
        path.rpartition("/")[2] for path in (one, two)
    )


def test_two_processes_that_register_at_once_get_two_versions(ws, model_folder, peers):
    both = [peers(), peers(), peers()]
    for one in both:
        one.ask(
            f"from batchmagic.workspace import Workspace; from batchmagic.entities import Model; ws = Workspace.open({str(ws.root)!r})"
        )
    for one in both:
        one.tell(
            f"answer = [ws.assets.register_model(Model(name='heart', path={str(model_folder)!r})).version for _ in range(3)]"
        )
    given = [version for one in both for version in eval(one.hear())]
    assert sorted(given, key=int) == [str(number) for number in range(1, 10)]
    assert all(tree(directory(ws, version=version) / "model") == tree(model_folder) for version in given)


def test_threads_that_register_the_same_code_at_once_all_get_it(ws, tmp_path):
    code = tmp_path / "code"
    code.mkdir()
    for number in range(50):
        (code / f"m{number}.py").write_text(f"x = {number}\n")
    results = []
    threads = [
        threading.Thread(target=lambda: results.append(ws.assets.register_code(code))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    assert len(set(results)) == 1
    assert len(tree(ws.root / results[0])) == 50
    assert list((ws.root / "assets").glob(".incoming/*")) == []


def test_a_process_killed_in_the_middle_leaves_no_version(ws, tmp_path, peer):
    big = tmp_path / "big"
    big.mkdir()
    (big / "first").write_bytes(b"x" * 1000)
    os.mkfifo(tmp_path / "gate")
    peer.ask(
        f"from batchmagic.workspace import Workspace; from batchmagic.entities import Model; ws = Workspace.open({str(ws.root)!r})"
    )
    peer.ask(
        "import os; import batchmagic.workspace.assets as a; take = a.take\n".replace("\n", "; ")
        + "a.take = lambda *x, **k: (take(*x, **k), os._exit(9))"
    )
    assert peer.ask(f"ws.assets.register_model(Model(name='heart', path={str(big)!r}))") == ""
    with pytest.raises(ResourceNotFoundError):
        ws.assets.get("model", "heart")
    assert register(ws, big).version == "1"


def test_archived_versions_are_left_out_until_restored(ws, model_folder):
    register(ws, model_folder)
    register(ws, model_folder)
    ws.assets.archive("model", "heart", "2")
    assert ws.assets.get("model", "heart").version == "1"
    assert ws.assets.get("model", "heart", "2").version == "2"
    assert [model.version for model in ws.assets.list("model", "heart")] == ["1"]
    assert [model.version for model in ws.assets.list("model", "heart", archived=None)] == ["2", "1"]
    ws.assets.archive("model", "heart")
    assert ws.assets.list("model") == []
    with pytest.raises(ResourceNotFoundError, match="archived"):
        ws.assets.get("model", "heart")
    ws.assets.restore("model", "heart")
    assert ws.assets.get("model", "heart").version == "2"


def test_files_stay_while_a_deployment_or_job_uses_them(ws, model_folder, tmp_path, deployed, spec):
    register(ws, model_folder)
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "score.py").write_text("x = 1\n")
    code = ws.assets.register_code(tmp_path / "code")
    os.utime(ws.root / code, (0, 0))  # as if long ago
    record = ws.assets.record("model", "heart")
    deployed(model=record, code_dir=code)
    job = ws.jobs.submit(spec(model_dir=record.directory, code_dir=code))
    ws.assets.delete("model", "heart", "1")
    assert ws.assets.list("model", "heart") == []
    ws.endpoints.delete("heart")
    assert (ws.root / record.directory / "model" / "weights.bin").exists()
    assert (ws.root / code / "score.py").exists()
    # A new model of the same name and version does not disturb the job's.
    (model_folder / "weights.bin").write_bytes(b"new")
    assert register(ws, model_folder, version="1").version == "1"
    assert (ws.root / record.directory / "model" / "weights.bin").read_bytes() != b"new"
    assert (directory(ws) / "model" / "weights.bin").read_bytes() == b"new"
    ws.jobs.transition(job.name, JobStatus.CANCELED)
    ws.jobs.delete(job.name)
    assert not (ws.root / record.directory).exists()
    assert not (ws.root / code).exists()
    assert (directory(ws) / "model" / "weights.bin").read_bytes() == b"new"


def test_deleted_numbers_are_not_given_out_again(ws, model_folder):
    register(ws, model_folder)
    register(ws, model_folder)
    ws.assets.delete("model", "heart", "2")
    assert register(ws, model_folder).version == "3"


def test_what_is_not_there_is_said(ws, model_folder):
    register(ws, model_folder)
    with pytest.raises(ResourceNotFoundError, match=r"no model 'haert'.*'heart'"):
        ws.assets.get("model", "haert")
    with pytest.raises(ResourceNotFoundError, match=r"no version of model heart '9'.*1"):
        ws.assets.get("model", "heart", "9")
    with pytest.raises(ResourceNotFoundError, match=r"label of model heart 'lates'.*'latest'"):
        ws.assets.get("model", "heart", label="lates")
    with pytest.raises(ResourceNotFoundError):
        ws.assets.delete("model", "nothing")
    with pytest.raises(ValidationException, match="no kind of asset"):
        ws.assets.get("modell", "heart")


def test_names_that_differ_in_case_only_are_refused(ws, model_folder):
    register(ws, model_folder)
    with pytest.raises(ResourceExistsError, match="letter case"):
        register(ws, model_folder, name="Heart")
    assert list((ws.root / "assets").glob(".incoming/*")) == []


def test_data_is_kept_where_it_is(ws, tmp_path):
    (tmp_path / "data").mkdir()
    stored = ws.assets.register_data(Data(name="new-data", version="1", path=tmp_path / "data"))
    assert (stored.name, stored.version, stored.path, stored.type) == (
        "new-data", "1", str(tmp_path / "data"), "uri_folder",
    )  # fmt: skip
    again = ws.assets.register_data(
        Data(name="new-data", version="1", path=tmp_path / "data", description="d")
    )
    assert again.description == "d"
    with pytest.raises(ResourceExistsError, match="Version 1 of data"):
        ws.assets.register_data(Data(name="new-data", version="1", path=tmp_path))
    assert ws.assets.register_data(Data(name="new-data", path=tmp_path)).version == "2"


def test_relative_data_is_seen_from_here(ws, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path)
    assert ws.assets.register_data(Data(name="d", path="./data")).path == str(tmp_path / "data")


def test_data_that_is_missing_or_of_another_type_is_refused(ws, tmp_path):
    (tmp_path / "file.csv").write_text("a\n1\n")
    with pytest.raises(InputError, match="does not exist"):
        ws.assets.register_data(Data(name="d", path=tmp_path / "absent"))
    with pytest.raises(InputError, match=r"is a file, not the uri_folder"):
        ws.assets.register_data(Data(name="d", path=tmp_path / "file.csv"))
    with pytest.raises(InputError, match=r"is a folder, not the uri_file"):
        ws.assets.register_data(Data(name="d", path=tmp_path, type="uri_file"))
    assert ws.assets.list("data") == []


def test_an_environment_keeps_the_content_of_its_conda_file(ws, tmp_path):
    conda = tmp_path / "conda.yml"
    conda.write_text("name: x\ndependencies:\n  - python=3.11\n  - pip: [mlflow]\n")
    stored = ws.assets.register_environment(Environment(name="env", conda_file=conda, image="img"))
    conda.unlink()
    assert stored.conda_file == {"name": "x", "dependencies": ["python=3.11", {"pip": ["mlflow"]}]}
    assert ws.assets.get("environment", "env").image == "img"
    with pytest.raises(ValidationException, match=r"conda\.yml.*does not exist"):
        ws.assets.register_environment(Environment(name="env", conda_file=conda))
    with conda.open("wb") as file:
        file.truncate(1 << 40)  # of which nobody reads more than a piece
    with pytest.raises(DefinitionError, match="larger than 1 MiB"):
        ws.assets.register_environment(Environment(name="env", conda_file=conda))
    with pytest.raises(DefinitionError, match="no such file"):
        ws.assets.register_environment(Environment(name="env", conda_file="/dev/zero"))
