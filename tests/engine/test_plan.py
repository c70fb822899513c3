"""The plan: listed once, sorted, the same ever after."""

from __future__ import annotations

import os

import pytest

from batchmagic.errors import InputError
from batchmagic.scoring.plan import Plan, list_files


@pytest.fixture
def folder(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    return source


def make(tmp_path, source, size=2, *, recursive=False):
    job = tmp_path / "job"
    job.mkdir(exist_ok=True)
    return Plan.make(job, source, mini_batch_size=size, recursive=recursive)


def test_files_are_cut_in_sorted_order(tmp_path, folder):
    for name in ("b", "a", "c", "B", "10", "9"):
        (folder / name).touch()
    plan = make(tmp_path, folder, 4)
    assert [plan.paths_of(i) for i in range(plan.mini_batches)] == [["10", "9", "B", "a"], ["b", "c"]]
    assert [plan.files_in(i) for i in range(2)] == [4, 2]
    assert plan.paths_of(1, part=2) == ["c"]


def test_what_happens_in_the_folder_later_changes_nothing(tmp_path, folder):
    for i in range(5):
        (folder / f"f{i}").touch()
    before = make(tmp_path, folder)
    (folder / "f0").unlink()
    (folder / "a").touch()
    after = make(tmp_path, folder, 3)
    assert [before.paths_of(i) for i in range(3)] == [after.paths_of(i) for i in range(3)]


def test_nested_folders_are_entered_only_when_asked(tmp_path, folder):
    (folder / "sub").mkdir()
    (folder / "sub" / "x").touch()
    (folder / "y").touch()
    (folder / "circle").symlink_to(folder)
    assert list_files(folder, recursive=False) == ["y"]
    assert list_files(folder, recursive=True) == ["sub/x", "y"]


def test_names_of_any_bytes_come_through(tmp_path, folder):
    names = [
        "a\nb",
        "c,d",
        'e"f',
        "-rf",
        "\u00e9",
        "e\u0301",
        "\U0001f600",
        os.fsdecode(b"\xff\xfe"),
        "x" * 255,
    ]
    for name in names:
        (folder / name).touch()
    plan = make(tmp_path, folder, 4)
    listed = [name for i in range(plan.mini_batches) for name in plan.paths_of(i)]
    assert sorted(listed) == sorted(names)


def test_one_file_is_an_input(tmp_path, folder):
    (folder / "only.csv").touch()
    plan = make(tmp_path, folder / "only.csv")
    assert (plan.root, plan.paths_of(0)) == (str(folder), ["only.csv"])


@pytest.mark.parametrize("what", ["missing", "empty"])
def test_an_input_without_files_is_refused_and_leaves_no_plan(tmp_path, folder, what):
    with pytest.raises(InputError, match="no files" if what == "empty" else "missing"):
        make(tmp_path, folder if what == "empty" else tmp_path / "missing")
    assert not (tmp_path / "job" / "manifest").exists()
