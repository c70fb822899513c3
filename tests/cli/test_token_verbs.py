"""``token create | list | revoke`` on a terminal: the text is on standard output, once, and nowhere else."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime, timedelta

import pytest

from batchmagic.cli.main import main
from batchmagic.workspace import Workspace


@pytest.fixture
def run(project, capsys):
    """A function that runs words in the project and returns code, output and errors."""

    def act(words):
        code = main(words.split())
        out, err = capsys.readouterr()
        return code, out, err

    return act


@pytest.fixture
def found(project):
    """A function that returns the token of a text, as a server would."""

    def look(text):
        with Workspace.open(project / ".batchmagic") as ws:
            return ws.tokens.find(text)

    return look


def test_the_text_is_all_that_standard_output_has(run, found):
    code, out, err = run("token create nightly")
    assert code == 0
    assert found(out.strip()).scopes == {"invoke"}
    assert "Token nightly: invoke, for all endpoints, until it is revoked." in err
    assert out.strip() not in err
    _, listed, _ = run("token list")
    assert out.strip() not in listed
    assert [row.split()[:4] for row in listed.splitlines()] == [
        ["NAME", "SCOPES", "ENDPOINT", "STATE"], ["nightly", "invoke", "all", "active"]
    ]  # fmt: skip
    assert out.strip() not in run("token list --format json")[1]


def test_all_that_can_be_said_of_it(run, found):
    assert run("endpoint create heart")[0] == 0
    _, out, _ = run("token create a --scope invoke --scope read --endpoint heart --expires 12h --format json")
    made = json.loads(out)
    token = found(made["token"])
    assert (token.scopes, token.endpoint) == ({"invoke", "read"}, "heart")
    assert token.expires_at - datetime.now(UTC) <= timedelta(hours=12)
    assert (made["scopes"], made["endpoint"], made["state"]) == (["invoke", "read"], "heart", "active")


def test_what_equals_a_shell_says_so_and_ends(run, found):
    _, out, err = run("token create boss --scope manage")
    assert "has a shell" in err
    left = found(out.strip()).expires_at - datetime.now(UTC)
    assert timedelta(days=89) < left <= timedelta(days=90)
    assert found(run("token create other --scope manage --expires never")[1].strip()).expires_at is None


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("token create", "NAME"),
        ("token create a --scope admin", "--scope cannot be 'admin'"),
        ("token create a --expires soon", "--expires: 'soon' is no age"),
        ("token create a --expires 0d", "is over already"),
        ("token create ../a", "cannot be the name of a token"),
        ("token create a --endpoint nothing", "There is no endpoint 'nothing'"),
        ("token create a --to no/such/file", "--to: "),
        ("token create a --to data", "exists already"),
        ("token revoke nothing", "There is no"),
    ],
)
def test_a_wrong_word_is_one_line_and_makes_no_token(words, told, run):
    code, out, err = run(words)
    assert (code, out) == (2, "")
    assert told in err.splitlines()[-1]
    assert run("token list")[1].startswith("No tokens yet.")


def test_a_file_is_private_and_the_only_place(run, found, project):
    _, out, err = run("token create nightly --to ../secret")
    file = project.parent / "secret"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert found(file.read_text().strip()).name == "nightly"
    assert file.read_text().strip() not in out + err
    assert "BATCHMAGIC_TOKEN" in out


def test_a_revoked_token_stays_in_the_list(run, found):
    text = run("token create nightly")[1].strip()
    assert "is revoked" in run("token revoke nightly")[1]
    assert found(text) is None
    assert run("token create nightly")[0] == 0
    assert [row.split()[3] for row in run("token list")[1].splitlines()[1:]] == ["revoked", "active"]
    code, _, err = run("token create nightly")
    assert (code, "revoke it first" in err) == (2, True)
