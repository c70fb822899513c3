"""What leaves the kernel: never more than three updates a second for all views together, and the last one exact."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from widgets_support import COUNTED, JOB, Bench, most_in_a_second, size

from batchmagic.entities.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _quiet(bench, kernel):
    yield
    kernel.drop_views()
    bench.end_all()


class Busy:
    """Threads that move jobs on all the time."""

    def __init__(self, bench, names, total=2000):
        self._bench, self._names, self._total = bench, names, total
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def _run(self):
        done = 0
        while not self._stop.wait(0.05):
            done += 1
            for name in self._names:
                self._bench.advance(name, min(done, self._total))


def test_four_views_share_three_updates_a_second(bench, kernel):
    names = [bench.running(mini_batches=2000) for _ in range(4)]
    views = [kernel.show(name) for name in names]
    with Busy(bench, names):
        heard = kernel.hear_for(6)
    assert most_in_a_second(heard) <= 3
    sent = [m["content"]["comm_id"] for m in heard if m["msg_type"] == "comm_msg"]
    turns = [sent.count(view.model(1)) for view in views]
    assert min(turns) >= 2, turns
    assert max(turns) - min(turns) <= 2, turns
    before = len(kernel.page.messages)
    for name in names:
        bench.advance(name, 2000)
        bench.complete(name)
    kernel.hear_all()
    assert most_in_a_second(kernel.page.messages[before:]) <= 3
    for name, view in zip(names, views, strict=True):
        assert "2,000 <span" in view.main
        assert "Completed" in view.main
        assert view.twin[JOB]["progress"] == bench.ws.jobs.get(name).progress.to_json()


def test_the_end_of_a_job_is_told_before_all_else(bench, kernel):
    names = [bench.running(mini_batches=2000) for _ in range(10)]
    views = [kernel.show(name) for name in names]
    with Busy(bench, names[1:]):
        # It has just had its turn, and would be the last of ten to have the next one.
        bench.advance(names[0], 7)
        kernel.hear(lambda: "7 <span" in views[0].main, of="progress")
        before = len(kernel.page.messages)
        bench.complete(names[0])
        kernel.hear(lambda: "Completed" in views[0].main, of="the end")
    sent = [m["content"]["comm_id"] for m in kernel.page.messages[before:] if m["msg_type"] == "comm_msg"]
    assert sent.index(views[0].model(1)) <= 4  # after what went out before the pulse had looked


def test_ten_thousand_events_in_ten_seconds(bench, kernel):
    name = bench.running(mini_batches=10_000)
    view = kernel.show(name)
    before = len(kernel.page.messages)
    wrote = threading.Thread(target=_write_events, args=(bench.root / "workspace.db", name))
    wrote.start()
    heard = kernel.hear_for(10)
    wrote.join()
    final = Progress(mini_batches=10_000, files=10_000, completed=10_000, rows=10_000, seconds=10.0)
    assert bench.ws.jobs.get(name).progress == final
    bench.complete(name)
    kernel.hear_all()
    assert len(heard) <= 10 * 10
    assert most_in_a_second(kernel.page.messages[before:]) <= 3
    # What a notebook keeps of it: the two outputs of the cell.
    kept = [kernel.page.outputs[f"bm-{view.id}"], view.twin]
    assert len(json.dumps(kept)) < 100_000
    updates = [m for m in kernel.page.messages[before:] if m["msg_type"] == "update_display_data"]
    assert size(updates) < 100_000
    assert "10,000 <span" in view.main
    assert view.twin[JOB]["progress"] == final.to_json()


def _write_events(database: Path, name: str) -> None:
    with closing(sqlite3.connect(database, timeout=30, isolation_level=None)) as connection:
        connection.execute("pragma synchronous = off")
        began = time.monotonic()
        for done in range(1, 10_001):
            progress = Progress(
                mini_batches=10_000, files=10_000, completed=done, rows=done, seconds=done / 1000
            )
            connection.execute(
                "update jobs set progress = ? where name = ?", (json.dumps(progress.to_json()), name)
            )
            ahead = done / 1000 - (time.monotonic() - began)
            if ahead > 0.01:
                time.sleep(ahead)


def test_flushes_keep_to_the_budget_too(bench, kernel):
    names = [bench.running() for _ in range(3)]
    views = [kernel.show(name) for name in names]
    for name in names:
        bench.advance(name, 100)
        bench.complete(name)
    before = len(kernel.page.messages)
    kernel.run("handles = []")
    kernel.run(f"handles += [live.show(session, [name]) for name in {names!r}]\n[h.flush() for h in handles]")
    kernel.hear_all()
    assert most_in_a_second(kernel.page.messages[before:]) <= 3
    assert all("Completed" in view.main for view in views)


def test_a_view_of_a_workspace_that_is_gone_says_so_and_the_others_go_on(bench, kernel, tmp_path):
    other = Bench(tmp_path / "other" / "workspace")
    lost, stays = other.running(), bench.running()
    kernel.run(f"elsewhere = MLClient({str(other.root)!r}).session")
    first = kernel.page.view(kernel.run(f"print(live.show(elsewhere, [{lost!r}]).view_id)"))
    second = kernel.show(stays)
    other.close()
    shutil.rmtree(other.root)
    kernel.hear(lambda: "is gone" in first.main, of="the loss")
    assert "bm-over" in first.main
    bench.advance(stays, 5)
    kernel.hear(lambda: "5 <span" in second.main, of="the other view")
    assert kernel.run("print(PULSE.alive)") == "True"


def test_a_defect_of_a_view_is_told_in_it(bench, kernel):
    name, stays = bench.running(), bench.running()
    view, second = kernel.show(name), kernel.show(stays)
    # A unit of the view is broken from inside: no state of the store does that.
    kernel.run(
        "from batchmagic.sdk import watch\n"
        f"broken = next(v for v in PULSE._views if v.watches[0].record.name == {name!r})\n"
        "def fail(now): raise ZeroDivisionError('a defect')\n"
        "broken.look = fail"
    )
    kernel.hear(lambda: "This view has stopped: ZeroDivisionError: a defect" in view.main, of="the defect")
    bench.advance(stays, 5)
    kernel.hear(lambda: "5 <span" in second.main, of="the other view")


def test_the_thread_prints_nothing_and_leaves_when_nothing_moves(bench, kernel):
    name = bench.running()
    kernel.show(name)
    before = len(kernel.page.messages)
    bench.advance(name, 100)
    bench.complete(name)
    kernel.hear_all()
    kinds = {m["msg_type"] for m in kernel.page.messages[before:] if m["header"]["username"]}
    assert kinds <= {*COUNTED, "status", "execute_input", "stream"}
    printed = [m["content"]["text"] for m in kernel.page.messages[before:] if m["msg_type"] == "stream"]
    assert set("".join(printed).split()) <= {"True", "False"}  # the answers to our own question
    assert (
        kernel.run("import threading; print('batchmagic-pulse' in [t.name for t in threading.enumerate()])")
        == "False"
    )


def test_importing_the_package_brings_no_widgets():
    code = (
        "import sys, batchmagic.widgets as w; print(w.available(), 'ipywidgets' in sys.modules, "
        "'IPython' in sys.modules, 'sqlalchemy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False", "False"]
