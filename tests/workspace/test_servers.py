"""Which servers run for a workspace: what is on record is true, whatever happened to the process."""

from __future__ import annotations

import json
import os
import shutil
import stat
from dataclasses import replace

import pytest

from batchmagic.entities import BatchEndpoint
from batchmagic.errors import WorkspaceMoved
from batchmagic.workspace import Workspace, identity
from batchmagic.workspace.servers import ALONE, JUPYTER

URL = "https://127.0.0.1:8443"


@pytest.fixture
def serving(ws, peers):
    """A function that has another process announce itself, and returns that process."""

    def start(**values):
        peer = peers()
        peer.ask(f"from batchmagic.workspace import Workspace; ws = Workspace.open({str(ws.root)!r})")
        told = {"kind": ALONE, "url": URL, **values}
        assert peer.ask(f"answer = ws.servers.announce(**{told!r}).url") == told["url"].rstrip("/")
        return peer

    return start


def files(ws):
    return sorted(ws.servers.folder.glob("*"))


def altered(ws, **values):
    """Change the one record as if another machine had written it."""
    (file,) = files(ws)
    (record,) = ws.servers.known()
    file.unlink()
    ws.servers._write(replace(record, **values))


def test_nothing_runs_and_nothing_is_made_by_asking(ws):
    assert (ws.servers.running(), ws.servers.best(), ws.servers.known()) == ([], None, [])
    assert not ws.servers.folder.exists()


def test_a_server_is_known_to_all_until_it_withdraws(ws, serving):
    peer = serving(public_url="https://batch.example.org/ml/", fingerprint="AA:BB", authority="/ca.pem")
    (record,) = ws.servers.running()
    assert (record.kind, record.url, record.identity.pid) == (ALONE, URL, peer.process.pid)
    assert (record.fingerprint, record.authority, record.is_here) == ("AA:BB", "/ca.pem", True)
    assert record.scoring_uri("heart") == "https://batch.example.org/ml/batchmagic/endpoints/heart/jobs"
    assert record.openapi_uri == "https://batch.example.org/ml/batchmagic/openapi.json"
    peer.ask("ws.servers.withdraw(ws.servers.known()[0])")
    assert (ws.servers.running(), files(ws)) == ([], [])


def test_a_killed_server_is_not_told_of_and_its_record_goes(ws, serving):
    peer = serving()
    ws.endpoints.put(BatchEndpoint(name="heart"))
    assert ws.endpoints.get("heart").scoring_uri == f"{URL}/batchmagic/endpoints/heart/jobs"
    assert ws.endpoints.list()[0].openapi_uri == f"{URL}/batchmagic/openapi.json"
    peer.process.kill()
    peer.process.wait()
    assert len(ws.servers.known()) == 1
    assert ws.endpoints.get("heart").scoring_uri is ws.endpoints.list()[0].openapi_uri is None
    assert files(ws) == []


def test_the_process_id_of_another_process_is_no_server(ws, serving):
    serving()
    altered(ws, identity=replace(identity.current(), start_time="1"))
    assert ws.servers.running() == []


def test_files_are_private_whatever_the_umask_is(ws, peers):
    peer = peers()
    peer.ask(
        f"import os; os.umask(0); from batchmagic.workspace import Workspace; ws = Workspace.open({str(ws.root)!r})"
    )
    peer.ask(f"ws.servers.announce(kind='alone', url={URL!r})")
    peer.ask("os.umask(0o22)")
    (file,) = files(ws)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_callers_are_sent_to_the_server_that_does_nothing_else(ws, serving):
    serving(kind=JUPYTER, url="http://127.0.0.1:8888/user/me/")
    serving(kind=JUPYTER, url="http://127.0.0.1:8889", public_url="https://hub.example.org/user/me")
    assert ws.servers.best().address == "https://hub.example.org/user/me"
    serving(url="https://127.0.0.1:1")
    assert ws.servers.best().url == "https://127.0.0.1:1"
    serving(url="https://127.0.0.1:2", public_url="https://batch.example.org")
    assert [record.url.rpartition(":")[2] for record in ws.servers.running()] == [
        "2", "1", "8889", "8888/user/me"
    ]  # fmt: skip


def test_a_server_elsewhere_counts_while_it_renews_its_record(ws, serving):
    peer = serving()
    elsewhere = replace(identity.current(), host="other/0badcafe", pid=peer.process.pid)
    altered(ws, identity=elsewhere, place="1:1")
    (record,) = ws.servers.running()
    assert (record.is_here, record.machine) == (False, "other")
    (file,) = files(ws)
    old = file.stat().st_mtime - 120
    os.utime(file, (old, old))
    assert ws.servers.running() == []
    assert files(ws) == [file]  # it is not ours to remove
    ws.servers.renew(replace(record, place=ws.servers._place()))
    assert ws.servers.running() == [record]


def test_a_copy_of_a_workspace_does_not_take_the_server_of_the_original_for_its_own(ws, serving, tmp_path):
    serving()
    shutil.copytree(ws.root, tmp_path / "copy")
    with Workspace.open(tmp_path / "copy") as copy:
        assert copy.servers.running() == []
        assert len(copy.servers.known()) == 1
    assert len(ws.servers.running()) == 1


def test_a_record_that_was_tidied_up_comes_back_but_not_in_another_place(ws, tmp_path):
    record = ws.servers.announce(kind=ALONE, url=URL)
    shutil.rmtree(ws.servers.folder)
    ws.servers.renew(record)
    assert ws.servers.running() == [record]
    ws.root.rename(tmp_path / "moved")
    with pytest.raises(WorkspaceMoved):
        ws.servers.renew(record)
    with Workspace.find(ws.root, create=True) as other, pytest.raises(WorkspaceMoved):
        other.servers.renew(record)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"identity": 1}', '{"identity": {}}', "\ud800"])
def test_what_is_no_record_is_passed_over(ws, content):
    record = ws.servers.announce(kind=ALONE, url=URL)
    ws.servers.folder.joinpath("junk.json").write_bytes(content.encode("utf-8", "surrogatepass"))
    newer = {**json.loads(files(ws)[0].read_text()), "colour": "blue"}
    ws.servers.folder.joinpath("newer.json").write_text(json.dumps(newer))
    assert ws.servers.running() == [record]
