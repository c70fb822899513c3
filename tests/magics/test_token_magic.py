"""Tokens in a notebook: outputs and histories are saved, so the text of a token is in none of them."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from batchmagic import load_ipython_extension, unload_ipython_extension
from batchmagic.workspace import Workspace

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def shell(project: Path):
    shell = InteractiveShell.instance()
    load_ipython_extension(shell)
    yield shell
    unload_ipython_extension(shell)
    InteractiveShell.clear_instance()


def test_the_text_goes_to_a_private_file_and_not_into_the_notebook(shell, project):
    with capture_output() as seen:
        shell.run_cell("%batch token create nightly --scope manage -o kept")
    file = project / ".batchmagic" / "tokens" / "nightly.txt"
    text = file.read_text().strip()
    with Workspace.open(project / ".batchmagic") as ws:
        assert ws.tokens.find(text).name == "nightly"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert "nightly.txt" in seen.stdout
    assert "has a shell" in seen.stdout
    assert not [shown for shown in (seen.stdout, seen.stderr, *map(str, seen.outputs)) if "bmt_" in shown]
    with capture_output() as seen:
        shell.run_cell("kept\n%batch token list")
        shell.run_cell("%batch token revoke nightly")
    assert "bmt_" not in f"{seen.stdout}{seen.outputs}{shell.user_ns}"
    assert not file.exists()


def test_tab_offers_the_tokens_that_are_not_revoked(shell, project):
    with capture_output():
        shell.run_cell("%batch token create nightly\n%batch token create weekly\n%batch token revoke weekly")
    shell.Completer.use_jedi = False
    with provisionalcompleter():
        text = "%batch token revoke "
        found = [item.text for item in shell.Completer.completions(text, len(text))]
    assert found == ["nightly"]
