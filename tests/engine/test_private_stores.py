"""What scripts have logged to MLflow, read from the file stores of their processes."""

from __future__ import annotations

import shutil

import pytest

from batchmagic.scoring.tracking.private_stores import PrivateStores


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mlflow"


def run_of(folder, epoch, process="i0-process000", run="abc"):
    """Return the folder of a run, as MLflow's file store makes it."""
    made = folder / str(epoch) / process / "0" / run
    for name in ("metrics", "params", "tags", "artifacts"):
        (made / name).mkdir(parents=True)
    return made


def add(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_nothing_was_logged(folder):
    stores = PrivateStores(folder, 1)
    assert not stores.news()
    stores.keep()
    stores.remove()
    assert not list(stores.artifacts())
    assert not folder.exists()


def test_each_look_returns_what_is_new_in_whole_lines(folder):
    run = run_of(folder, 1)
    stores = PrivateStores(folder, 1)
    add(run / "metrics" / "a", "1000 1.5 3\n1001 nan 4\n1002 2.")
    add(run / "metrics" / "b" / "c d", "1003 7 0 data digest\n1004 8\nbroken\n")
    metrics = stores.news().metrics
    assert metrics[0] == ("a", 1.5, 1000, 3)
    assert repr(metrics[1]) == "('a', nan, 1001, 4)"
    assert metrics[2:] == [("b/c d", 7.0, 1003, 0), ("b/c d", 8.0, 1004, 0)]
    assert not stores.news()
    add(run / "metrics" / "a", "5 5\n")
    assert stores.news().metrics == [("a", 2.5, 1002, 5)]


def test_a_file_that_is_large_comes_in_pieces(folder):
    run = run_of(folder, 1)
    add(run / "metrics" / "a", "".join(f"1000 {n} {n}\n" for n in range(50_000)))
    stores = PrivateStores(folder, 1)
    found = []
    while news := stores.news():
        assert len(news.metrics) < 50_000
        found += news.metrics
    assert [step for _, _, _, step in found] == list(range(50_000))


def test_parameters_name_their_process_and_mlflows_own_tags_are_left_out(folder):
    one, two = run_of(folder, 1), run_of(folder, 1, "i0-process001")
    add(one / "params" / "p", "1")
    add(two / "params" / "p", "2")
    add(one / "tags" / "mlflow.user", "me")
    add(one / "tags" / "t", "x")
    stores = PrivateStores(folder, 1)
    news = stores.news()
    assert news.params == [("p", "1", "i0-process000"), ("p", "2", "i0-process001")]
    assert news.tags == {"t": "x"}
    add(one / "tags" / "t", "y")
    assert stores.news().tags == {"t": "xy"}


def test_the_next_host_reads_on_from_what_was_kept(folder):
    run = run_of(folder, 1)
    add(run / "metrics" / "a", "1000 1 1\n")
    first = PrivateStores(folder, 1)
    assert first.news()
    first.keep()
    add(run / "metrics" / "a", "1000 2 2\n")
    assert first.news()  # and dies before it is where it belongs
    later = run_of(folder, 2)
    add(later / "metrics" / "a", "1000 3 3\n")
    assert [step for _, _, _, step in PrivateStores(folder, 2).news().metrics] == [2, 3]


def test_what_belongs_to_a_later_claim_is_not_touched(folder):
    run = run_of(folder, 1)
    add(run / "metrics" / "a", "1000 1 1\n")
    later = run_of(folder, 2)
    add(later / "metrics" / "a", "1000 2 2\n")
    fenced = PrivateStores(folder, 1)
    assert [step for _, _, _, step in fenced.news().metrics] == [1]
    fenced.keep()
    fenced.remove()
    assert not run.exists()
    assert [step for _, _, _, step in PrivateStores(folder, 2).news().metrics] == [2]


def test_artifacts_and_models_are_found(folder):
    run = run_of(folder, 1)
    add(run / "artifacts" / "sub" / "a.txt", "1")
    stores = PrivateStores(folder, 1)
    assert list(stores.artifacts()) == [("i0-process000", run / "artifacts" / "sub" / "a.txt", "sub/a.txt")]
    assert not stores.holds_models()
    add(run.parent / "models" / "m-1" / "meta.yaml", "")
    assert stores.holds_models()
    shutil.rmtree(folder)
    assert not stores.holds_models()
