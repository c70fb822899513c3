"""The mini-batches of a ledger, page by page."""

from __future__ import annotations

import pytest

from batchmagic.entities.progress import Progress
from batchmagic.workspace.ledger import Commit, Failure, Ledger
from batchmagic.workspace.ledger_pages import MOST_TRIES, LedgerPages
from batchmagic.workspace.vocabulary import RETRIED, STATUSES

TOTAL = 20_000
FILES = 3
ERROR = {"type": "ValueError", "message": "no number", "frame": ["score.py", 3, "run", "x"], "phase": "run"}
# Every thousandth fails for good, the one after it once, the one after that is tried again just now.
FAILED, ONCE, AGAIN = 0, 1, 2
DONE = 19_000


def commit(number, part=0, *, ok=True, **values):
    place = {"instance": "i0", "slot": number % 2, "started": 1000.0 + number, "seconds": 0.5}
    given = {"attempt": 1, "files": FILES, "rows": FILES if ok else 0, **place, **values}
    return Commit(mini_batch=number, part=part, ok=ok, **given)


def failure(number, part=0, *, final=False, attempt=1, **values):
    given = {
        "instance": "i1",
        "slot": 0,
        "started": 900.0 + number,
        "seconds": 0.25,
        "files": FILES,
        **values,
    }
    return Failure(
        mini_batch=number, part=part, attempt=attempt, kind="error", final=final, error=ERROR, **given
    )


def ledger_of(folder, commits, failures, *, total=TOTAL, failed=0):
    folder.mkdir(exist_ok=True)
    ledger = Ledger.open(folder)
    ledger.begin(epoch=1, run=1, mini_batches=total, files=total * FILES)
    progress = Progress(mini_batches=total, completed=len(commits) - failed, failed=failed)
    ledger.commit(1, commits=commits, failures=failures, progress=progress)
    ledger.close()
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    numbers = [n for n in range(DONE) if n % 1000 != AGAIN]
    failures = [
        failure(n, final=n % 1000 == FAILED) for n in range(DONE) if n % 1000 in {FAILED, ONCE, AGAIN}
    ]
    commits = [commit(n, ok=n % 1000 != FAILED) for n in numbers]
    return ledger_of(tmp_path_factory.mktemp("job"), commits, failures, failed=19)


@pytest.fixture
def pages(folder):
    with LedgerPages.open(folder, lambda number: FILES) as found:
        yield found


def all_of(pages, count, **values):
    """Follow the pages to their end."""
    found, following = [], 0
    while following is not None:
        before = following
        items, following = pages.page(following, count, **values)
        assert len(items) <= count
        assert following is None or following > before
        found += items
    return found


@pytest.mark.parametrize("count", [1000, 777])
def test_every_mini_batch_is_on_one_page_in_order(pages, count):
    found = all_of(pages, count)
    assert [item.number for item in found] == list(range(TOTAL))
    assert [item.status for item in found[:4]] == ["failed", "completed", "retrying", "completed"]
    assert {item.status for item in found[DONE:]} == {"waiting"}


@pytest.mark.parametrize("status", [*STATUSES, RETRIED])
def test_those_of_one_status_are_found_by_pages_as_by_a_look_at_all(pages, status):
    everything = all_of(pages, 1000)
    wanted = [
        item.number
        for item in everything
        if item.status == status or (status == RETRIED and item.error is not None)
    ]
    assert [item.number for item in all_of(pages, 1000, status=status)] == wanted
    assert [item.number for item in pages.page(0, 5, status=status)[0]] == wanted[:5]
    assert [item.number for item in pages.page(9_500, 5, status=status)[0]] == [
        number for number in wanted if number >= 9_500
    ][:5]


def test_a_mini_batch_says_how_it_stands(pages):
    (good,), _ = pages.page(3, 1)
    assert (good.attempts, good.rows, good.instance, good.slot) == (1, FILES, "i0", 1)
    assert (good.started, good.seconds, good.error) == (1003.0, 0.5, None)
    (failed,), _ = pages.page(1000, 1)
    assert (failed.status, failed.attempts, failed.rows) == ("failed", 1, 0)
    assert failed.error == ("error", "ValueError: no number")
    (once,), _ = pages.page(1001, 1)
    assert (once.status, once.attempts, once.rows) == ("completed", 2, FILES)
    (again,), _ = pages.page(1002, 1)
    assert (again.status, again.attempts, again.instance, again.seconds) == ("retrying", 1, "i1", 0.25)
    (waiting,), _ = pages.page(TOTAL - 1, 1)
    assert (waiting.status, waiting.attempts, waiting.started) == ("waiting", 0, None)
    assert pages.page(TOTAL, 5) == ([], None)


def test_the_attempts_of_one_are_told_in_order(pages):
    item, tries = pages.tries(1001)
    assert item.status == "completed"
    assert [(each.ok, each.final) for each in tries] == [(False, False), (True, True)]
    assert tries[0].error == ("error", "ValueError: no number")
    assert pages.tries(TOTAL) is None
    assert pages.tries(TOTAL - 1)[1] == []


def test_a_mini_batch_of_single_files_ends_with_the_last_of_them(tmp_path):
    commits = [
        *(commit(0, part, files=1, rows=1) for part in (1, 2, 3)),
        *(commit(1, part, ok=part != 2, files=1, rows=int(part != 2)) for part in (1, 2, 3)),
        *(commit(2, part, files=1, rows=1) for part in (1, 2)),
    ]
    failures = [failure(n, final=False) for n in range(3)] + [failure(1, 2, final=True, files=1)]
    ledger_of(tmp_path, commits, failures, total=4, failed=1)
    with LedgerPages.open(tmp_path, lambda number: FILES) as pages:
        found, _ = pages.page(0, 10)
        assert [item.status for item in found] == ["completed", "failed", "retrying", "waiting"]
        assert [item.attempts for item in found] == [4, 4, 3, 0]
        assert [item.rows for item in found] == [3, 2, 2, 0]
        assert [item.number for item in pages.page(0, 10, status="retrying")[0]] == [2]
        assert [item.number for item in pages.page(0, 10, status="failed")[0]] == [1]
        assert [item.number for item in pages.page(0, 10, status="completed")[0]] == [0]
        assert sorted(each.part for each in pages.tries(1)[1]) == [0, 1, 2, 3]


def test_of_very_many_attempts_the_latest_are_told(tmp_path):
    failures = [failure(0, attempt=n, started=float(n)) for n in range(MOST_TRIES + 50)]
    ledger_of(tmp_path, [], failures, total=1)
    with LedgerPages.open(tmp_path, lambda number: FILES) as pages:
        item, tries = pages.tries(0)
    assert item.attempts == MOST_TRIES + 50
    assert [each.attempt for each in tries] == list(range(50, MOST_TRIES + 50))


def test_a_job_without_a_ledger_has_no_pages(tmp_path):
    with pytest.raises(FileNotFoundError):
        LedgerPages.open(tmp_path, lambda number: FILES)
