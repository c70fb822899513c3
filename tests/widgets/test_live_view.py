"""The live view of one job, as a front end hears of it from a real kernel."""

from __future__ import annotations

import re

import pytest
from widgets_support import COUNTED, JOB, WIDGET, until

from batchmagic.entities.status import JobStatus

PROGRESS, ERRORS, RESULT, LOGS, DEFINITION = range(5)
BUTTON, TABS = 2, 3


@pytest.fixture(autouse=True)
def _quiet(bench, kernel):
    yield
    kernel.drop_views()
    bench.end_all()


def figures(main):
    """Return mini-batches done and in all."""
    found = re.search(r"([\d,]+) <span class=\"bm-dim\">/ ([\d,]+)</span>", main)
    return found and tuple(int(text.replace(",", "")) for text in found.groups())


def test_it_is_available_in_a_kernel(kernel):
    assert kernel.run("print(available())") == "True"


def test_the_first_paint_has_real_numbers(bench, kernel):
    name = bench.running(
        mini_batches=2000, completed=1240, failed=4, files_failed=4, rows=12400, seconds=34.0
    )
    before = len(kernel.page.messages)
    view = kernel.show(name)
    painted = kernel.page.messages[before:]
    displayed = [m["content"]["data"] for m in painted if m["msg_type"] == "display_data"]
    assert [sorted(data) for data in displayed] == [
        sorted([WIDGET, "text/plain"]),
        sorted([JOB, "text/html", "text/plain"]),
    ]
    assert displayed[0]["text/plain"] == ""
    assert displayed[1][JOB]["progress"]["completed"] == 1240
    opened = [m["content"] for m in painted if m["msg_type"] == "comm_open"]
    (main,) = [
        c["data"]["state"]["value"] for c in opened if 'class="bm-head' in c["data"]["state"].get("value", "")
    ]
    assert figures(main) == (1244, 2000)
    assert all(text in main for text in ("Running", "heart / classifier", name, "12,400", "files failed"))
    assert f"bm-twin-{view.id}" in displayed[1]["text/html"]


def test_its_styles_hide_the_twin_as_long_as_it_lives(bench, kernel):
    view = kernel.show(bench.running())
    hidden = view.child(0)["value"]
    assert f".jp-OutputArea-child:has(.bm-twin-{view.id})" in hidden
    assert f"bm-live-{view.id}" in view.root["_dom_classes"]


def test_it_moves_while_another_cell_runs_and_after_it_has_ended(bench, kernel):
    name = bench.running()
    view = kernel.show(name)
    before = len(kernel.page.messages)
    gate = bench.root.parent / "gate"
    kernel.start(f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)")
    bench.advance(name, 20)
    kernel.hear(lambda: figures(view.main) == (20, 100), of="20 of 100 while a cell runs")
    gate.touch()
    kernel.run("pass")
    bench.advance(name, 60)
    kernel.hear(lambda: figures(view.main) == (60, 100), of="60 of 100 with no cell")
    # All that moved it are updates of its widgets: nothing was printed into another cell.
    assert not any(m["msg_type"] in {"stream", "error"} for m in kernel.page.messages[before:])


def test_the_last_update_has_the_final_numbers(bench, kernel):
    name = bench.running(mini_batches=100)
    view = kernel.show(name)
    for done in (10, 50, 99):
        bench.advance(name, done)
    bench.advance(name, 100, seconds=12.0)
    bench.complete(name)
    kernel.hear_all()
    assert figures(view.main) == (100, 100)
    assert "Completed" in view.main
    assert "1,000" in view.main
    assert "bm-over" in view.main  # and with it the button has gone
    assert view.twin[JOB]["status"] == "Completed"
    assert view.twin[JOB]["progress"] == bench.ws.jobs.get(name).progress.to_json()
    assert "bm-twin-" + view.id in view.twin["text/html"]


def test_a_job_that_has_ended_is_shown_whole_and_starts_no_thread(bench, kernel):
    name = bench.running()
    bench.commit(name, ok=97, failed=3)
    logs = bench.ws.job_dir(name) / "logs" / "user"
    logs.mkdir(parents=True)
    (logs / "job_progress_overview.txt").write_text("the <overview>\n")
    bench.complete(name)
    view = kernel.show(name)
    assert kernel.run("print(PULSE.alive)") == "False"
    assert "Completed · 3 files failed" in view.main
    assert view.child(TABS)["titles"][ERRORS] == "Errors 1"
    assert "3 × ValueError" in view.pane(ERRORS)  # noqa: RUF001
    assert "score.py, line 9, in run" in view.pane(ERRORS)
    assert "could not convert &lt;b&gt;" in view.pane(ERRORS)
    assert "the &lt;overview&gt;" in view.pane(LOGS)
    assert view.pane(PROGRESS).count("bm-lane") >= 2
    assert "geheim" not in str(kernel.page.models)


def test_the_definition_tells_what_is_set_and_not_to_what(bench, kernel):
    view = kernel.show(bench.running())
    assert "PASSWORD" in view.pane(DEFINITION)
    assert "mini_batch_size: 1" in view.pane(DEFINITION)
    assert "geheim" not in view.pane(DEFINITION)


def test_a_tab_is_only_told_what_is_new_when_it_is_seen(bench, kernel):
    name = bench.running()
    view = kernel.show(name)
    kernel.run("pass")
    bench.commit(name, ok=10, failed=2)
    kernel.hear(lambda: view.child(TABS)["titles"][ERRORS] == "Errors 1", of="the number of errors")
    bench.advance(name, 20, failed=2)
    kernel.hear(lambda: figures(view.main) == (22, 100))
    kernel.hear_for(2)  # time enough for what must not come
    assert "No errors." in view.pane(ERRORS)
    kernel.select(view.model(TABS), ERRORS)
    kernel.hear(lambda: "2 × ValueError" in view.pane(ERRORS), of="the errors")  # noqa: RUF001


def test_the_result_is_shown_when_it_is_asked_for(bench, kernel):
    name = bench.running(mini_batches=2)
    view = kernel.show(name)
    assert "once it has completed" in view.pane(RESULT)
    bench.advance(name, 2)
    bench.complete(name)
    kernel.hear_all()
    kernel.select(view.model(TABS), RESULT)
    kernel.hear(lambda: "001.csv" in view.pane(RESULT), of="the rows")


def test_a_log_follows_its_end(bench, kernel):
    name = bench.running()
    logs = bench.ws.job_dir(name) / "logs" / "user"
    logs.mkdir(parents=True)
    log = logs / "job_progress_overview.txt"
    log.write_text("".join(f"line {n}\n" for n in range(100_000)))
    view = kernel.show(name)
    kernel.select(view.model(TABS), LOGS)
    with log.open("a") as file:
        file.write("the newest line\n")
    kernel.hear(lambda: "the newest line" in view.pane(LOGS), of="the newest line")
    assert view.pane(LOGS).count("\n") <= 201
    # Another one is chosen.
    (logs / "job_error.txt").write_text("what went wrong\n")
    choice = view.model(TABS, LOGS, 0)
    kernel.tell(choice, {"method": "update", "state": {"index": 1}, "buffer_paths": []})
    kernel.hear(lambda: "what went wrong" in view.pane(LOGS), of="the other log")


def test_cancel_works_while_the_kernel_is_busy(bench, kernel):
    name = bench.running()
    view = kernel.show(name)
    beside = kernel.subshell()
    gate = bench.root.parent / "cancel-gate"
    request = kernel.start(f"import os, time\nwhile not os.path.exists({str(gate)!r}):\n    time.sleep(0.02)")
    kernel.click(view.model(BUTTON), subshell=beside)
    until(lambda: bench.ws.jobs.get(name).status == "CancelRequested", of="the request")
    kernel.hear(lambda: view.child(BUTTON)["description"] == "Canceling…", of="the button's word")
    assert view.child(BUTTON)["disabled"]
    kernel.hear(lambda: "CancelRequested" in view.main, of="the view's word")
    assert not kernel._is_idle(request, 0)
    bench.ws.jobs.transition(name, JobStatus.CANCELED)
    gate.touch()
    kernel.hear(lambda: "Canceled" in view.main and "bm-over" in view.main, of="the end")


def test_cancel_of_a_job_that_cannot_be_stopped_any_more_says_so(bench, kernel):
    name = bench.running()
    bench.ws.jobs.transition(name, JobStatus.FINALIZING)
    view = kernel.show(name)
    kernel.click(view.model(BUTTON))
    kernel.hear(lambda: "too late to cancel" in view.main, of="why not")
    assert view.child(BUTTON)["description"] == "Cancel"


def test_an_interrupt_leaves_the_job_and_its_view_alone(bench, kernel):
    name = bench.running()
    view = kernel.show(name)
    kernel.run("print('before')")
    code = f"from batchmagic.sdk import follow\nprint('waits', flush=True)\nfollow.wait(session, {name!r})"
    request = kernel.start(code)
    # Not at the first message: a kernel that is busy may not have come to the cell's code yet.
    kernel.hear(
        lambda: any(
            m["parent_header"].get("msg_id") == request and m["content"].get("text") == "waits\n"
            for m in kernel.page.messages
        )
    )
    kernel.interrupt()
    kernel.hear(lambda: kernel._is_idle(request, 0), of="the end of the wait")
    assert bench.ws.jobs.get(name).status == "Running"
    bench.advance(name, 42)
    kernel.hear(lambda: figures(view.main) == (42, 100), of="42 of 100 after an interrupt")


def test_a_job_that_is_deleted_ends_its_view_only(bench, kernel):
    gone, stays = bench.running(), bench.running()
    first, second = kernel.show(gone), kernel.show(stays)
    bench.forget(gone)
    kernel.hear(lambda: f"Job {gone} was deleted." in first.main, of="the deletion")
    assert "bm-over" in first.main
    bench.advance(stays, 7)
    kernel.hear(lambda: figures(second.main) == (7, 100), of="the other view")


def test_a_resumed_job_moves_again_when_it_is_shown_again(bench, kernel):
    name = bench.running()
    bench.advance(name, 30)
    bench.end(name)
    kernel.show(name)
    kernel.hear_all()
    bench.ws.jobs.begin_run(name)
    view = kernel.show(name)
    bench.begin(name, completed=30)
    bench.advance(name, 70)
    kernel.hear(lambda: figures(view.main) == (70, 100), of="70 of 100 in the second run")


def test_flush_brings_view_and_twin_to_the_present_within_the_cell(bench, kernel):
    name = bench.running()
    view = kernel.show(name)
    bench.advance(name, 100)
    bench.complete(name)
    kernel.hear_all()
    before = len(kernel.page.messages)
    kernel.run("shown.flush()")
    # The page knows all of it already; what runs notebooks only takes what a cell sends while it runs.
    sent = [m for m in kernel.page.messages[before:] if m["msg_type"] in COUNTED]
    assert [m["msg_type"] for m in sent] == ["comm_msg", "update_display_data"]
    assert "Completed" in view.main
    before = len(kernel.page.messages)
    kernel.run("shown.flush(); shown.flush()")
    assert sum(m["msg_type"] in COUNTED for m in kernel.page.messages[before:]) == 2
