"""A job for each day: in a loop, in a function, and many in one cell that share a table."""

from __future__ import annotations

import pytest
from story_support import JOB, WIDGET, Notebook

DAYS = ["mon 1", "tue 2", "wed 3", "thu 4", "fri 5"]
SCRIPT = """%%batch deploy days/sales --mini-batch-size 1
def run(mini_batch):
    return [int(open(path).read()) for path in mini_batch]
"""


@pytest.fixture(scope="module")
def notebook(project):
    """A notebook with data of five days, whose folders have a blank in their names."""
    for number, day in enumerate(DAYS):
        folder = project / "data" / day
        folder.mkdir(parents=True)
        for hour in (1, 2):
            (folder / f"{hour}.txt").write_text(str(10 * number + hour))
    with Notebook(project) as found:
        found.run(f"%load_ext batchmagic\ndays = {DAYS}")
        found.run(SCRIPT)
        yield found


def test_a_loop_over_days_shares_one_table(notebook, project):
    looped = notebook.run(
        "jobs = {}\n"
        "for day in days:\n"
        "    jobs[day] = %batch invoke days --input ./data/{{ day }} --output ./scores/{{ day }}"
    )
    total = "{day: job.result().result.tolist() for day, job in jobs.items()}"
    assert notebook.value(total) == {day: [10 * n + 1, 10 * n + 2] for n, day in enumerate(DAYS)}
    (*_, table) = looped.bundles("application/vnd.batchmagic.job-list.v1+json")
    assert [item["status"] for item in table["items"]] == ["Completed"] * len(DAYS)
    for number, day in enumerate(DAYS):
        rows = (project / "scores" / day / "predictions.csv").read_text().splitlines()
        assert rows[1:] == [f"{10 * number + 1},1.txt", f"{10 * number + 2},2.txt"]
    assert notebook.value("len({job.name for job in jobs.values()})") == len(DAYS)


def test_a_function_uses_its_own_variables(notebook):
    notebook.run("day = 'no such day'")
    notebook.run(
        "def score(day, hours):\n"
        "    where = f'./data/{day}'\n"
        "    job = %batch invoke days --input {{ where }} --mini-batch-size {{ hours * 2 }} --wait\n"
        "    return job"
    )
    notebook.run("one = score('wed 3', 1)\ntwo = score('thu 4', hours=2)")
    assert notebook.value("[*one.result().result, *two.result().result]") == [21, 22, 31, 32]
    assert notebook.value("[one.progress.mini_batches, two.progress.mini_batches]") == [1, 1]


def test_a_few_jobs_of_a_cell_have_a_view_each_and_are_not_shown_twice(notebook):
    shown = notebook.run(
        "%batch invoke days --input './data/mon 1'\n%batch invoke days --input ./data/{{ days[1] }}"
    )
    assert len(shown.bundles(WIDGET)) == 2
    assert [document["input"] for document in shown.bundles(JOB)] == ["./data/mon 1", "./data/tue 2"]
    assert shown.value == ""
    notebook.run("%batch job wait last")
