"""Secrets: private files, and nothing of them anywhere else."""

from __future__ import annotations

import json
import stat

import pytest

from batchmagic.entities import Data, Model
from batchmagic.entities.status import JobStatus
from batchmagic.errors import InvalidName, WorkspaceError
from batchmagic.workspace.redaction import redact, redact_uris

CANARY = "c4n4ry-7f3e"


def everything(root, but="secrets"):
    return b"".join(
        path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and but not in path.relative_to(root).parts
    )


def test_values_are_kept_privately_and_gone_after_delete(ws):
    ws.secrets.put("one", {"A": "x", "B": "ünï\n"})
    path = ws.secrets.path("one")
    assert ws.secrets.get("one") == {"A": "x", "B": "ünï\n"}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    ws.secrets.put("one", {"A": "y"})
    assert json.loads(path.read_text()) == {"A": "y"}
    ws.secrets.delete("one")
    ws.secrets.delete("one")
    assert ws.secrets.get("one") == {}
    assert list(path.parent.iterdir()) == []


def test_nothing_to_keep_leaves_no_file(ws):
    ws.secrets.put("one", {"A": "x"})
    ws.secrets.put("one", {})
    assert not ws.secrets.path("one").exists()


def test_a_key_of_any_legal_length_has_its_own_file(ws):
    long = ["j" * 254 + letter for letter in "ab"]
    for name in long:
        ws.secrets.put(name, {"A": name[-1]})
    assert [ws.secrets.get(name)["A"] for name in long] == ["a", "b"]


@pytest.mark.parametrize("key", ["../up", "a/b", "", ".hidden", "a\0b", "..", "x" * 256, "a\\b"])
def test_a_key_cannot_leave_the_folder(ws, key):
    with pytest.raises(InvalidName):
        ws.secrets.put(key, {"A": "x"})
    with pytest.raises(InvalidName):
        ws.secrets.get(key)


def test_a_broken_file_is_named_without_its_content(ws):
    ws.secrets.put("one", {"A": "x"})
    ws.secrets.path("one").write_text(f'{{"A": "{CANARY}')
    with pytest.raises(WorkspaceError, match=r"one\.json") as caught:
        ws.secrets.get("one")
    assert CANARY not in f"{caught.value!r}{caught.value.__cause__}"


def test_no_value_reaches_anything_but_the_secrets(ws, deployed, spec):
    uri = f"https://user:{CANARY}@acc.blob.core.windows.net/c/d?sv=1&sig={CANARY}"
    deployed(environment_variables={"KEY": CANARY}, properties={"home": uri}, description=f"see {uri}")
    deployed(environment_variables={"KEY": f"{CANARY}2"}, secrets={"OTHER": CANARY})
    ws.jobs.submit(spec("one", input_reference=uri, properties={"at": uri}), secrets={"KEY": CANARY})
    ws.jobs.transition("one", JobStatus.FAILED, error={"message": uri})
    ws.assets.register_data(Data(name="remote", path=uri))
    ws.database.close()
    assert CANARY.encode() not in everything(ws.root)
    assert CANARY.encode() in everything(ws.root, but="workspace.db")
    shown = (
        f"{ws.deployments.get('heart', 'first')!r}{ws.jobs.get('one')!r}{ws.assets.get('data', 'remote')!r}"
    )
    assert CANARY not in shown


def test_what_needs_the_credentials_can_have_them(ws):
    uri = f"https://acc.blob.core.windows.net/c/d?sig={CANARY}"
    ws.assets.register_data(Data(name="remote", version="1", path=uri))
    record = ws.assets.record("data", "remote")
    assert CANARY not in record.body["path"]
    assert ws.assets.location(record) == uri
    renewed = uri.replace(CANARY, "renewed")
    ws.assets.register_data(Data(name="remote", version="1", path=renewed))
    assert ws.assets.location(ws.assets.record("data", "remote")) == renewed
    ws.assets.delete("data", "remote")
    assert list((ws.root / "secrets").iterdir()) == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/p?sig=abc&v=1", "https://h/p?sig=********&v=1"),
        ("https://me:pw@h/p", "https://********@h/p"),
        ("https://ghp_token@h/p", "https://********@h/p"),
        ("see s3://b/k?X-Amz-Signature=1&X-Amz-Security-Token=2 there", "see s3://b/k?X-Amz-Signature=********&X-Amz-Security-Token=******** there"),
        ("postgresql://u:p@db/x", "postgresql://********@db/x"),
        ("abfss://container@acc.dfs.core.windows.net/p", "abfss://container@acc.dfs.core.windows.net/p"),
        ("wasbs://c:key@acc/p", "wasbs://c:********@acc/p"),
        ("https://h/p#access_token=1", "https://h/p#access_token=********"),
        ("https://h/docs?page=2", "https://h/docs?page=2"),
        ("azureml://datastores/x/paths/y", "azureml://datastores/x/paths/y"),
        ("models:/heart@champion", "models:/heart@champion"),
        ("./a/b?c=d", "./a/b?c=d"),
        ("http://[bad?sig=1", "http://********"),
    ],
)  # fmt: skip
def test_credentials_in_uris(text, shown):
    assert redact_uris(text) == shown
    assert redact({"a": [text], "environment_variables": {"K": "v"}}) == {
        "a": [shown],
        "environment_variables": {"K": None},
    }


def test_a_model_path_with_credentials_is_not_repeated_in_the_error(ws):
    with pytest.raises(Exception, match="local path") as caught:
        ws.assets.register_model(Model(name="m", path=f"https://h/m?sig={CANARY}"))
    assert CANARY not in str(caught.value)
