"""Where things are: databases, folders and claims notice that theirs is another place now, and paths move along."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from batchmagic.entities.settings import Settings
from batchmagic.errors import InputError, StateError, WorkspaceMoved
from batchmagic.workspace import Workspace
from batchmagic.workspace.folders import folder_in, private_folder
from batchmagic.workspace.launch import host_claim
from batchmagic.workspace.outside import check_outside, from_root


def test_an_open_database_follows_nobody(ws, tmp_path, spec):
    ws.jobs.submit(spec("one"))
    away = tmp_path / "away"
    ws.root.rename(away)
    for act in (ws.jobs.list, lambda: ws.jobs.submit(spec("two")), ws.database.check_place):
        with pytest.raises(WorkspaceMoved, match=r"workspace\.db is not the file any more"):
            act()
    # Another one in its place is another one, however alike.
    shutil.copytree(away, ws.root)
    with pytest.raises(WorkspaceMoved):
        ws.jobs.submit(spec("two"))
    with pytest.raises(WorkspaceMoved):
        ws.jobs.list()
    shutil.rmtree(ws.root)
    away.rename(ws.root)
    assert ws.jobs.submit(spec("two")).name == "two"


def test_a_transaction_that_is_open_when_the_folder_moves_is_whole(ws, tmp_path, spec):
    with ws.database.write():
        ws.root.rename(tmp_path / "away")
    with Workspace.open(tmp_path / "away") as there:
        assert there.jobs.submit(spec("one")).name == "one"


def test_no_folder_is_made_in_a_place_that_is_gone(tmp_path):
    gone = tmp_path / "gone"
    with pytest.raises(WorkspaceMoved, match="gone"):
        private_folder(gone / "compute")
    with pytest.raises(WorkspaceMoved):
        folder_in(gone, "jobs/x/logs")
    assert not gone.exists()
    made = folder_in(tmp_path, "a/b/c")
    assert made == tmp_path / "a" / "b" / "c"
    assert all(p.stat().st_mode & 0o777 == 0o700 for p in (made, made.parent))


def test_a_copy_does_not_take_the_owner_of_the_original_for_its_own(ws, tmp_path):
    claim = ws.claims.acquire(host_claim("local"))
    ws.database.close()
    copied = tmp_path / "copy"
    shutil.copytree(ws.root, copied)
    with Workspace.open(copied) as copy:
        assert not copy.claims.holder(host_claim("local")).alive
        assert copy.claims.acquire(host_claim("local")).epoch == claim.epoch + 1
    assert ws.claims.holder(host_claim("local")).alive
    ws.claims.beat(claim)
    # One that is moved is the same one.
    ws.database.close()
    ws.root.rename(tmp_path / "away")
    with Workspace.open(tmp_path / "away") as there:
        assert there.claims.holder(host_claim("local")).alive


def test_what_lies_in_the_workspace_is_kept_relative_to_it(tmp_path):
    root = tmp_path / "ws"
    assert from_root(root, root / "jobs" / "x") == "jobs/x"
    assert from_root(root, tmp_path / "data") == str(tmp_path / "data")
    assert root / from_root(root, tmp_path / "data") == tmp_path / "data"


def test_what_lies_outside_and_is_gone_is_named(tmp_path, spec):
    root, data = tmp_path / "ws", tmp_path / "data"
    data.mkdir()
    values = {"A": "1", "B": "2"}
    job = spec("one", input_path=str(data), settings=Settings(environment_variables=("A", "B")))
    check_outside(root, job, values, unfinished=True)
    with pytest.raises(StateError, match=r"values of B, variables of job one.*--deployment-version latest"):
        check_outside(root, job, {"A": "1"}, unfinished=True, begun=False)
    check_outside(root, job, {}, unfinished=False)
    data.rmdir()
    with pytest.raises(InputError, match=rf"ln -s NEW-PLACE {data}"):
        check_outside(root, job, values, unfinished=True)
    check_outside(root, job, values, unfinished=False)
    data.mkdir()
    outside = replace(job, output_path=str(tmp_path / "gone" / "scores"))
    with pytest.raises(StateError, match="mkdir -p"):
        check_outside(root, outside, values, unfinished=False)
    check_outside(root, outside, values, unfinished=True, begun=False)
    assert not (tmp_path / "gone").exists()
