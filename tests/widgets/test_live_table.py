"""Several jobs in a cell: a table, and what becomes of the views that were there before it."""

from __future__ import annotations

import pytest
from widgets_support import JOBS


@pytest.fixture(autouse=True)
def _quiet(bench, kernel):
    yield
    kernel.drop_views()
    bench.end_all()


def test_several_jobs_share_a_table(bench, kernel):
    names = [bench.running(completed=n) for n in range(1, 4)]
    view = kernel.show(*names)
    assert all(name in view.main for name in names)
    assert "3 / 100" in view.main
    assert [item["name"] for item in view.twin[JOBS]["items"]] == names
    bench.advance(names[1], 77)
    kernel.hear(lambda: "77 / 100" in view.main, of="77 of 100")
    for name in names:
        bench.end(name)
    kernel.hear_all()
    assert view.main.count("Failed") == 3
    assert {item["status"] for item in view.twin[JOBS]["items"]} == {"Failed"}


def test_more_than_three_jobs_of_a_cell_come_together_in_one_table(bench, kernel):
    names = [bench.running() for _ in range(5)]
    told = kernel.run(
        "cell = live.CellViews()\n"
        f"handles = [cell.show(session, name) for name in {names!r}]\n"
        "print(*[handle.view_id for handle in handles], len(set(id(h.view) for h in handles)))"
    )
    *ids, views = told.split()
    assert views == "1"  # all five handles are of the table
    assert len(set(ids)) == 1
    displayed = [key for key in kernel.page.outputs if key.startswith("bm-") and "twin" not in key][-4:]
    assert displayed[-1] == f"bm-{ids[0]}"
    table = kernel.page.view(ids[0])
    kernel.hear(lambda: all(name in table.main for name in names), of="all five")
    replaced = [key.removeprefix("bm-") for key in displayed[:3]]
    for view in replaced:
        assert f".bm-live-{view}" in table.child(0)["value"]  # hidden on the page
        kernel.hear(lambda v=view: not kernel.page.view(v).twin["text/plain"], of="the end of a twin")
    bench.advance(names[0], 50)
    bench.advance(names[4], 60)
    kernel.hear(lambda: "50 / 100" in table.main and "60 / 100" in table.main, of="progress in the table")


def test_a_view_that_gets_another_job_becomes_a_table(bench, kernel):
    first, second = bench.running(), bench.running()
    one = kernel.show(first)
    both = kernel.page.view(kernel.run(f"shown.add({second!r}); print(shown.view_id)"))
    assert both.id != one.id
    assert first in both.main
    assert second in both.main
    third = bench.running()
    kernel.run(f"shown.add({third!r})")
    kernel.hear(lambda: third in both.main, of="the third job")


def test_any_of_them_can_be_canceled(bench, kernel):
    names = [bench.running() for _ in range(3)]
    view = kernel.show(*names)
    options = view.child(2, 0)["_options_labels"]
    assert list(options) == ["all jobs", *names]
    kernel.tell(view.model(2, 0), {"method": "update", "state": {"index": 2}, "buffer_paths": []})
    kernel.click(view.model(2, 1))
    kernel.hear(lambda: "CancelRequested" in view.main, of="the request")
    assert [str(bench.ws.jobs.get(name).status) for name in names] == [
        "Running",
        "CancelRequested",
        "Running",
    ]


def test_a_job_that_is_deleted_leaves_the_others_moving(bench, kernel):
    gone, stays = bench.running(), bench.running()
    view = kernel.show(gone, stays)
    bench.forget(gone)
    kernel.hear(lambda: f"Job {gone} was deleted." in view.main, of="the deletion")
    bench.advance(stays, 9)
    kernel.hear(lambda: "9 / 100" in view.main, of="the other job")
