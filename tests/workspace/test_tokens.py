"""Tokens: shown once, kept as hashes, good until they expire or are revoked."""

from __future__ import annotations

import hmac
import tarfile
from datetime import UTC, datetime, timedelta

import pytest
from workspace_support import tree

from batchmagic.entities import BatchEndpoint
from batchmagic.errors import (
    InvalidName,
    ResourceExistsError,
    ResourceNotFoundError,
    StateError,
    ValidationException,
)
from batchmagic.workspace import Workspace
from batchmagic.workspace import tokens as module
from batchmagic.workspace.backup import backup
from batchmagic.workspace.store_file import connect


def row(ws, name):
    connection = connect(ws.database.path, mode="ro")
    found = connection.execute("select * from tokens where name = ?", [name]).fetchone()
    connection.close()
    return found


def test_a_token_is_found_by_its_text_and_by_nothing_else(ws):
    token, text = ws.tokens.create("nightly", scopes=["invoke"])
    head, token_id, secret = text.split("_", 2)
    assert (head, token_id, len(secret)) == ("bmt", token.id, 43)
    assert ws.tokens.find(text) == token
    other = ws.tokens.create("other", scopes=["read"])[1].split("_", 2)
    wrong = [
        "", "bmt", "bmt_", "bmt__", f"bmt_{token_id}", f"bmt_{token_id}_", f"bmt_{token_id}_{secret[:-1]}",
        f"bmt_{token_id}_{other[2]}", f"bmt_{other[1]}_{secret}", f"bmt_{token_id.upper()}_{secret}x",
        f"xyz_{token_id}_{secret}", f" {text}", f"{text} ", f"{text}\n", f"{text}\0", f"{text}ä", text + "a" * 10_000,
        "bmt_'; drop table tokens; --_x", "ä" * 50, "\ud800", f"bmt_{token_id}_{row(ws, 'nightly')[2]}",
    ]  # fmt: skip
    assert [text for text in wrong if ws.tokens.find(text)] == []


def test_neither_text_nor_secret_is_on_the_disk(ws):
    secret = ws.tokens.create("nightly", scopes=["manage"])[1].split("_", 2)[2]
    ws.tokens.find(secret)
    ws.database.close()
    assert not [path for path, content in tree(ws.root).items() if secret.encode() in content]


def test_every_text_is_another_one(ws):
    texts = {ws.tokens.create(f"t{number}", scopes=["read"])[1] for number in range(20)}
    assert len(texts) == len({text.split("_", 2)[2] for text in texts}) == 20


def test_the_hash_is_compared_in_constant_time_whatever_is_asked(ws, monkeypatch):
    real, compared = hmac.compare_digest, []

    def seen(a, b):
        compared.append((len(a), len(b)))
        return real(a, b)

    text = ws.tokens.create("nightly", scopes=["invoke"])[1]
    monkeypatch.setattr(module.hmac, "compare_digest", seen)
    for asked in (text, f"{text}x", "bmt_0000000000000000_abc", "nonsense", "", "ä", "x" * 10_000):
        ws.tokens.find(asked)
    assert compared == [(32, 32)] * 7


def test_an_expired_token_is_good_for_nothing_and_still_has_its_name(ws):
    with pytest.raises(ValidationException, match="is over already"):
        ws.tokens.create("brief", scopes=["read"], expires_in=timedelta(0))
    token, text = ws.tokens.create("brief", scopes=["read"], expires_in=timedelta(hours=1))
    assert timedelta(minutes=59) < token.expires_at - datetime.now(UTC) <= timedelta(hours=1)
    assert ws.tokens.find(text).is_valid
    with ws.database.write() as connection:
        connection.exec_driver_sql("update tokens set expires_at = created_at - 1")
    assert ws.tokens.find(text) is None
    assert [(t.state, t.is_valid) for t in ws.tokens.list()] == [("expired", False)]
    with pytest.raises(ResourceExistsError, match="it is expired"):
        ws.tokens.create("brief", scopes=["read"])


def test_a_revoked_token_is_out_at_once_in_every_process(ws, peer):
    text = ws.tokens.create("nightly", scopes=["invoke"])[1]
    peer.ask(f"from batchmagic.workspace import Workspace; ws = Workspace.open({str(ws.root)!r})")
    assert peer.ask(f"answer = ws.tokens.find({text!r}).name") == "nightly"
    assert ws.tokens.revoke("NIGHTLY").state == "revoked"
    assert peer.ask(f"answer = ws.tokens.find({text!r})") == "None"
    assert [token.state for token in ws.tokens.list()] == ["revoked"]
    with pytest.raises(StateError, match="was revoked before"):
        ws.tokens.revoke("nightly")
    _, new = ws.tokens.create("nightly", scopes=["read"])
    assert (ws.tokens.find(text), ws.tokens.find(new).scopes) == (None, {"read"})
    with pytest.raises(ResourceNotFoundError, match=r"no token 'nigthly'\. Did you mean 'nightly'"):
        ws.tokens.revoke("nigthly")


def test_a_name_is_taken_until_it_is_revoked_in_any_letter_case(ws):
    ws.tokens.create("nightly", scopes=["invoke"])
    for name in ("nightly", "Nightly"):
        with pytest.raises(ResourceExistsError, match=r"'nightly' already; it is active.*revoke it first"):
            ws.tokens.create(name, scopes=["invoke"])
    for name in ("", "a b", "../x", "a:b", "x" * 256, "-x"):
        with pytest.raises(InvalidName):
            ws.tokens.create(name, scopes=["invoke"])


def test_scopes_are_checked_and_manage_includes_the_others(ws):
    with pytest.raises(ValidationException, match=r"'admin' is no scope.*invoke, read, manage"):
        ws.tokens.create("a", scopes=["invoke", "admin"])
    with pytest.raises(ValidationException, match="scope: None is missing"):
        ws.tokens.create("a", scopes=[])
    token, _ = ws.tokens.create("a", scopes=["manage", "manage"])
    assert (token.scopes, token.grants) == ({"manage"}, {"invoke", "read", "manage"})
    assert ws.tokens.create("b", scopes=["read"])[0].grants == {"read"}


def test_the_endpoint_must_be_there(ws):
    ws.endpoints.put(BatchEndpoint(name="heart"))
    assert ws.tokens.create("a", scopes=["invoke"], endpoint="HEART")[0].endpoint == "heart"
    with pytest.raises(ResourceNotFoundError, match="Did you mean 'heart'"):
        ws.tokens.create("b", scopes=["invoke"], endpoint="haert")
    assert [token.name for token in ws.tokens.list()] == ["a"]


def test_the_last_use_is_written_at_most_once_a_minute(ws):
    token, text = ws.tokens.create("nightly", scopes=["read"])
    assert token.last_used_at is None
    ws.tokens.touch(token)
    used = ws.tokens.find(text)
    ws.tokens.touch(used)
    ws.tokens.touch(token)  # a request that began before the other had written
    assert ws.tokens.find(text).last_used_at == used.last_used_at
    with ws.database.write() as connection:
        connection.exec_driver_sql("update tokens set last_used_at = last_used_at - 61")
    ws.tokens.touch(ws.tokens.find(text))
    assert datetime.now(UTC) - ws.tokens.find(text).last_used_at < timedelta(seconds=60)


def test_a_store_that_cannot_be_written_locks_nobody_out(ws, caplog):
    token, text = ws.tokens.create("nightly", scopes=["read"])
    with ws.database.write() as connection:
        connection.exec_driver_sql("PRAGMA user_version = 999")  # a newer release has changed it
    ws.tokens.touch(token)
    assert ws.tokens.find(text) == token
    assert "the last use of token nightly could not be written" in caplog.text
    assert text not in caplog.text


def test_a_backup_holds_no_token(ws, tmp_path):
    _, text = ws.tokens.create("nightly", scopes=["manage"])
    digest = row(ws, "nightly")[2]
    file = backup(ws, tmp_path / "b.tar").file
    for hidden in (digest, text, "nightly"):
        assert hidden.encode() not in file.read_bytes()
    with tarfile.open(file) as tar:
        tar.extractall(tmp_path / "there", filter="tar")
    with Workspace.open(tmp_path / "there") as there:
        assert (there.tokens.list(), there.tokens.find(text)) == ([], None)
    assert ws.tokens.find(text)
