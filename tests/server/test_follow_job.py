"""A job that runs, followed from outside: two pages at once, and its log while it grows."""

from __future__ import annotations

import pytest
from events_support import Follower
from main_job_support import Lab, until
from server_support import Server

from batchmagic.server.routes import PREFIX

TALKING = """
import os, pathlib, sys, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    first = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{first}} {{os.getpid()}}\\n")
    while not ((MARKS / "open").exists() or (MARKS / f"open-{{first}}").exists()):
        time.sleep(0.01)
    print("said for", first, flush=True)
    if first == "003.csv":
        raise ValueError("no number")
    return [os.path.basename(path) for path in mini_batch]
"""
LOG = "user/stdout/i0/process000.stdout.txt"


@pytest.fixture(scope="module")
def lab(module_workspace):
    found = Lab(module_workspace)
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(lab):
    with Server(lab.folder / "server", lab.root, heartbeat=0.5) as found:
        yield found


@pytest.fixture(scope="module")
def token(lab):
    return lab.client.session.read().tokens.create("reader", scopes=["read"])[1]


def test_two_pages_follow_a_job_to_its_end_while_its_log_is_read(lab, server, token):
    gate = lab.gate()
    lab.deploy(
        "talking", gate.script(TALKING), mini_batch_size=1, max_concurrency_per_instance=1, max_retries=0
    )

    def log(start, **headers):
        return server.send(
            "GET",
            f"{PREFIX}/jobs/{name}/logs/{LOG}",
            token=token,
            headers={"Range": f"bytes={start}-", **headers},
        )

    with Follower(server, token) as everything:
        everything.ready()
        name = lab.invoke("talking", 8, logging_level="info")
        with Follower(server, token, query=f"jobs={name}&lanes={name}&log={name}/{LOG}") as page:
            page.ready()
            gate.wait_calls(1)
            page.job(name, "Running")
            gate.open("000.csv")
            size = page.wait(lambda t: t.name == "log" and t.data["size"], of="the log").data["size"]
            part = log(0)
            text = until(
                lambda: b"said for 000.csv\n" in (found := log(0)).body and found, of="the first line"
            ).body
            assert (part.status, text[: len(part.body)]) == (206, part.body)
            assert size <= len(text)
            # Nothing new yet: how long it is says the refusal.
            beyond = log(len(text))
            assert (beyond.status, beyond.header("Content-Range")) == (416, f"bytes */{len(text)}")
            gate.open()
            for stream in (page, everything):
                stream.job(name, "Completed")
            more = log(len(text))
            assert (more.status, more.header("Content-Range").split("/")[0]) == (
                206,
                f"bytes {len(text)}-{len(text) + len(more.body) - 1}",
            )
            assert (text + more.body).count(b"said for") == 8
            changed = log(len(text), **{"If-Range": part.header("ETag")})
            assert (changed.status, changed.body) == (200, text + more.body)
            lanes = page.wait(
                lambda t: t.name == "lanes" and len(t.data["attempts"]) == 8 and not t.data["running"],
                of="all attempts",
            ).data
            ok = lanes["columns"].index("ok")
            assert [attempt[ok] for attempt in lanes["attempts"]].count(False) == 1
    last = page.jobs(name)[-1]
    assert (last["progress"]["completed"], last["progress"]["failed"]) == (7, 1)
    assert last["errors"][0]["message"] == "no number"
    assert [told["status"] for told in everything.jobs(name)][-1] == "Completed"
    assert lab.job(name).status == "Completed"


def test_a_quiet_stream_says_that_it_is_still_there(server, token):
    with Follower(server, token, query="jobs=") as stream:
        stream.ready()
        until(lambda: len(stream.comments) >= 2, of="two signs of life")
        assert set(stream.comments) == {"still here"}
