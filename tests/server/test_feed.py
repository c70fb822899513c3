"""The thread that feeds the streams, without HTTP: what it does when there is much, or nothing can be read."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "widgets"))

from widgets_support import Bench

from batchmagic.server.feed import Feed
from batchmagic.server.files import log_size
from batchmagic.server.stream import Event, Stream, Wish
from batchmagic.workspace.vocabulary import CHANGED_KINDS

PATIENCE = 30


@pytest.fixture
def bench(workspace_folder):
    found = Bench(workspace_folder.root)
    yield found
    found.close()


def new_stream(wish=None):
    wish = wish or Wish(kinds=frozenset(CHANGED_KINDS))
    return Stream(caller="a", wish=wish, sees=lambda job: True, sees_all=True, is_valid=lambda: True)


async def told(stream, name, fits=lambda data: True):
    """Return what the first event of that name that fits says; those before it are dropped."""
    unread = vars(stream).setdefault("unread", [])
    async with asyncio.timeout(PATIENCE):
        while True:
            unread += stream.take().split("\n\n")
            while unread:
                lines = dict(line.split(": ", 1) for line in unread.pop(0).splitlines())
                if lines.get("event") == name and fits(data := json.loads(lines["data"])):
                    return data
            await stream.wait(PATIENCE)


def fed(bench, play):
    """Run a play with a feed of the workspace, which stops at its end."""

    async def run():
        feed = Feed(bench.client.session, size_of=log_size)
        try:
            await play(feed)
        finally:
            await feed.stop()

    asyncio.run(run())


def test_only_the_newest_state_of_each_thing_waits():
    async def play():
        stream = new_stream()
        for number in range(1, 10_001):
            stream.offer(Event.of("job", number, key=f"job/{number % 3}", number=number))
        lines = stream.take().split("\n\n")
        assert [line.splitlines()[-1] for line in lines[:-1]] == ["data: 9998", "data: 9999", "data: 10000"]
        assert stream.take() == ""

    asyncio.run(play())


def test_who_is_hopelessly_slow_is_told_to_come_again():
    async def play():
        stream = new_stream()
        for number in range(1, 5_001):
            stream.offer(Event.of("job", number, key=f"job/{number}", number=number))
        assert (stream.ended, stream.take()) == ("slow", "")
        assert await stream.wait(PATIENCE)

    asyncio.run(play())


def test_while_nothing_can_be_read_that_is_told_and_then_all_that_was_missed(bench):
    name = bench.running()
    aside = bench.root.with_name("aside")

    async def play(feed):
        stream = new_stream()
        feed.add(stream)
        await told(stream, "ready")
        bench.root.rename(aside)
        trouble = await told(stream, "trouble", lambda found: found["code"] == "workspace_moved")
        assert trouble["message"] == "The workspace cannot be read now."
        late = new_stream()
        feed.add(late)
        assert await told(late, "trouble") == trouble
        aside.rename(bench.root)
        assert await told(stream, "trouble") is None
        assert (await told(late, "ready"))["resumed"] is False
        bench.advance(name, 5)
        await told(stream, "job", lambda job: job["progress"]["completed"] == 5)
        for each in (stream, late):
            feed.remove(each)

    fed(bench, play)


def test_a_job_of_which_the_ledger_is_damaged_is_told_with_what_is_known(bench):
    name, sound = bench.running(), bench.running()
    (bench.ws.job_dir(name) / "ledger.db").write_bytes(b"x" * 5000)

    async def play(feed):
        stream = new_stream(Wish(jobs=frozenset({name, sound}), lanes=frozenset({name, sound})))
        feed.add(stream)
        job = await told(stream, "job", lambda job: job["name"] == name)
        assert (job["status"], job["trouble"]) == ("Running", "The job's ledger cannot be read now.")
        bench.commit(sound, ok=2, failed=0)
        await told(stream, "lanes", lambda lanes: lanes["job"] == sound and lanes["attempts"])
        bench.advance(sound, 5)
        job = await told(
            stream, "job", lambda job: job["name"] == sound and job["progress"]["completed"] == 5
        )
        assert "trouble" not in job
        feed.remove(stream)

    fed(bench, play)


def test_a_workspace_that_is_not_there_yet_is_waited_for(workspace_folder):
    from batchmagic import MLClient  # noqa: PLC0415

    async def play():
        client = MLClient(workspace_folder.root)
        feed = Feed(client.session, size_of=log_size)
        stream = new_stream()
        feed.add(stream)
        assert await told(stream, "ready") == {"resumed": False, "jobs": 0}
        bench = Bench(workspace_folder.root)
        name = bench.running()
        await told(stream, "job", lambda job: job["name"] == name)
        feed.remove(stream)
        await feed.stop()
        bench.close()
        client.session.close()

    asyncio.run(play())


def test_nothing_is_read_while_nobody_listens(bench):
    name = bench.running()

    async def play(feed):
        looks = []
        stream = new_stream()
        feed.add(stream)
        await told(stream, "ready")
        looked = feed._changes.look
        feed._changes.look = lambda: looks.append(1) or looked()
        feed.remove(stream)
        bench.advance(name, 1)
        await asyncio.sleep(1)  # nothing could be awaited: it must not happen
        assert len(looks) <= 1
        again = new_stream(Wish(kinds=frozenset(CHANGED_KINDS), resume=f"{stream.feed_id}-1"))
        feed.add(again)
        assert (await told(again, "job"))["progress"]["completed"] == 1
        feed.remove(again)

    fed(bench, play)
