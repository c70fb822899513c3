"""Where the workspace is, and whom it belongs to."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from batchmagic.entities import BatchEndpoint, Model
from batchmagic.errors import (
    InvalidName,
    ResourceNotFoundError,
    StoreCorrupted,
    WorkspaceError,
    WorkspaceNotPrivate,
)
from batchmagic.workspace import Workspace


@pytest.fixture(autouse=True)
def _apart(tmp_path, monkeypatch):
    monkeypatch.delenv("BATCHMAGIC_WORKSPACE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def make(folder):
    folder.mkdir(parents=True, exist_ok=True)
    with Workspace.find(start=folder, create=True) as made:
        assert made.created
        return made.root


def found(start):
    with Workspace.find(start=start, create=False) as workspace:
        assert not workspace.created
        return workspace.root


def test_looking_makes_nothing(tmp_path):
    with pytest.raises(ResourceNotFoundError, match="no workspace"):
        Workspace.find(start=tmp_path, create=False)
    with pytest.raises(ResourceNotFoundError, match="no workspace"):
        Workspace.find(tmp_path / "named", create=False)
    with pytest.raises(ResourceNotFoundError, match="no workspace"):
        Workspace.open(tmp_path / "named")
    assert list(tmp_path.iterdir()) == []


def test_a_new_one_is_here_private_whole_and_ignored_by_git(tmp_path):
    before = os.umask(0)
    try:
        root = make(tmp_path / "project")
    finally:
        os.umask(before)
    assert root == tmp_path / "project" / ".batchmagic"
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert (root / ".gitignore").read_text() == "*\n"
    assert {stat.S_IMODE(path.stat().st_mode) for path in root.iterdir()} == {0o600}
    with Workspace.open(root) as workspace:
        local = workspace.computes.get("local")
    assert (local.min_instances, local.max_instances, local.idle_time_before_scale_down) == (0, 2, 120)


def test_the_nearest_above_is_found(tmp_path):
    outer, inner = make(tmp_path / "a"), None
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert found(deep) == outer
    with Workspace.find(tmp_path / "a" / "b" / ".batchmagic", create=True) as workspace:
        inner = workspace.root
    assert found(deep) == inner


def test_the_search_ends_at_home(tmp_path, monkeypatch):
    make(tmp_path)
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    (home / "work").mkdir(parents=True)
    with pytest.raises(ResourceNotFoundError):
        found(home / "work")


def test_the_variable_comes_before_the_search_and_a_name_before_both(tmp_path, monkeypatch):
    make(tmp_path / "near")
    monkeypatch.setenv("BATCHMAGIC_WORKSPACE", str(tmp_path / "variable"))
    with Workspace.find(start=tmp_path / "near", create=True) as workspace:
        assert workspace.root == tmp_path / "variable"
    with Workspace.find(tmp_path / "named", start=tmp_path / "near", create=True) as workspace:
        assert workspace.root == tmp_path / "named"


def test_a_project_folder_means_the_workspace_in_it_and_keeps_its_mode(tmp_path):
    project = tmp_path / "project"
    project.mkdir(mode=0o755)
    (project / "notes.txt").write_text("mine")
    with Workspace.find(project, create=True) as workspace:
        assert workspace.root == project / ".batchmagic"
    assert stat.S_IMODE(project.stat().st_mode) == 0o755
    with Workspace.open(project) as workspace:
        assert workspace.root == project / ".batchmagic"


def test_a_file_is_no_workspace(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(WorkspaceError, match="is no folder"):
        Workspace.find(tmp_path / "file", create=True)


def test_one_that_others_can_write_in_is_passed_over_and_refused_by_name(tmp_path):
    outer = make(tmp_path / "a")
    inner = make_inner(tmp_path / "a" / "b")
    assert found(tmp_path / "a" / "b") == inner
    inner.chmod(0o770)
    assert found(tmp_path / "a" / "b") == outer
    with pytest.raises(WorkspaceNotPrivate, match=r"\.batchmagic"):
        Workspace.open(inner)
    with pytest.raises(WorkspaceNotPrivate):
        Workspace.find(inner, create=True)


def make_inner(folder):
    with Workspace.find(folder / ".batchmagic", create=True) as workspace:
        return workspace.root


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_one_of_another_user_is_passed_over_and_refused_by_name(tmp_path):
    root = make(tmp_path / "a")
    os.chown(root, 12345, 12345)
    (tmp_path / "a" / "b").mkdir()
    with pytest.raises(ResourceNotFoundError):
        found(tmp_path / "a" / "b")
    with pytest.raises(WorkspaceNotPrivate):
        Workspace.open(root)
    with pytest.raises(WorkspaceNotPrivate):
        Workspace.find(start=tmp_path / "a", create=True)
    os.chown(root, 0, 0)


def test_a_folder_that_others_can_write_in_does_not_become_one(tmp_path):
    (tmp_path / ".batchmagic").mkdir()
    (tmp_path / ".batchmagic" / "planted").write_text("x")
    (tmp_path / ".batchmagic").chmod(0o777)
    with pytest.raises(WorkspaceNotPrivate):
        Workspace.find(start=tmp_path, create=True)
    assert [path.name for path in (tmp_path / ".batchmagic").iterdir()] == ["planted"]
    assert [path.name for path in tmp_path.iterdir()] == [".batchmagic"]


def test_a_readable_one_is_closed_to_others_when_opened(tmp_path):
    root = make(tmp_path)
    root.chmod(0o755)
    Workspace.open(root).close()
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


def test_it_can_be_moved(tmp_path, model_folder):
    root = make(tmp_path / "a")
    with Workspace.open(root) as workspace:
        workspace.assets.register_model(Model(name="heart", path=model_folder))
    moved = tmp_path / "elsewhere"
    root.rename(moved)
    with Workspace.open(moved) as workspace:
        path = workspace.assets.get("model", "heart").path
    assert path == str(moved / "assets" / "models" / "heart" / "1" / "model")
    assert Path(path).is_dir()


def test_a_damaged_one_is_not_made_anew(tmp_path):
    root = make(tmp_path)
    (root / "workspace.db").write_bytes(b"")
    with pytest.raises(StoreCorrupted, match=r"workspace\.db"):
        Workspace.find(start=tmp_path, create=True)
    assert (root / "workspace.db").read_bytes() == b""


def test_two_processes_that_make_it_at_once_share_it(tmp_path, peers):
    both = [peers(), peers()]
    for one in both:
        one.ask("from batchmagic.workspace import Workspace; from batchmagic.entities import BatchEndpoint")
    for round_ in range(3):
        root = tmp_path / f"ws{round_}"
        for number, one in enumerate(both):
            one.tell(
                f"ws = Workspace.find({str(root)!r}, create=True); ws.endpoints.put(BatchEndpoint(name='end{number}'))"
            )
        assert [one.hear() for one in both] == ["None", "None"]
        with Workspace.open(root) as workspace:
            assert [endpoint.name for endpoint in workspace.endpoints.list()] == ["end0", "end1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"ws{round_}" for round_ in range(3)]


def test_half_of_a_workspace_is_never_seen(tmp_path, peer):
    root, gate = tmp_path / "ws", tmp_path / "gate"
    os.mkfifo(gate)
    peer.ask("import os; from batchmagic.workspace import Workspace; rename = os.rename")
    peer.ask(f"os.rename = lambda *names: (open({str(gate)!r}).read(), rename(*names))")
    peer.tell(
        f"ws = Workspace.find({str(root)!r}, create=True); answer = ws.created, ws.endpoints.get('heart').name"
    )
    with gate.open("w"):  # it has made one and not given it its name
        assert not root.exists()
        with Workspace.find(root, create=True) as workspace:
            assert workspace.created
            workspace.endpoints.put(BatchEndpoint(name="heart"))
    assert peer.hear() == "(False, 'heart')"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gate", "ws"]
    peer.end()


def test_a_folder_without_its_database_becomes_one_again_and_keeps_what_is_in_it(tmp_path):
    root = make(tmp_path)
    (root / "workspace.db").unlink()
    (root / "kept").write_text("x")
    assert make(tmp_path) == root
    assert (root / "kept").read_text() == "x"


def test_folders_of_jobs_and_computes(tmp_path):
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        assert (
            workspace.job_dir("one")
            == workspace.job_dir("one-batchscoring")
            == workspace.root / "jobs" / "one"
        )
        assert stat.S_IMODE(workspace.compute_dir("local").stat().st_mode) == 0o700
        for bad in ("../up", "a/b", "", "a\0b", ".."):
            with pytest.raises(InvalidName):
                workspace.job_dir(bad)
            with pytest.raises(InvalidName):
                workspace.compute_dir(bad)
