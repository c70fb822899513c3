"""The README's code blocks do what it says, in its order, in an otherwise empty folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from demo_support import outside_world

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_block_is_of_a_kind_that_is_run():
    assert BLOCKS
    assert {language for language, _ in BLOCKS} == {"python", "sh"}
    assert README.count("```") == 2 * len(BLOCKS)


def test_the_make_commands_are_there():
    lines = [line for _, text in BLOCKS for line in text.splitlines() if line.startswith("make ")]
    assert [line.split()[1] for line in lines[:2]] == ["demo", "test"]
    for line in lines:
        subprocess.run(["make", "--dry-run", line.split()[1]], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", README))
def test_links_lead_somewhere(link):
    # Written by `make test-all`, which a first clone has not run.
    assert (ROOT / link).exists() or link == "docs/status.md"


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("ends_computes")
def test_the_blocks_run_one_after_the_other(tmp_path, small_model):
    shutil.copytree(small_model, tmp_path, dirs_exist_ok=True)
    (tmp_path / "code").mkdir()
    outputs = [run(language, text, tmp_path) for language, text in BLOCKS if "make " not in text]
    sdk, plain, script, own = outputs

    assert "Status: Completed" in sdk
    assert "12 of 12" not in plain  # mini-batches hold ten files
    assert (tmp_path / "scores" / "predictions.csv").is_file()
    assert script == ""
    assert "Completed" in own


def run(language: str, text: str, folder: Path) -> str:
    """Do with a block what its reader does; return what it prints."""
    if "def run(mini_batch)" in text:
        (folder / "code" / "score.py").write_text(text)
        return ""
    command = (
        [sys.executable, "-c", text] if language == "python" else ["bash", "-euo", "pipefail", "-c", text]
    )
    done = subprocess.run(
        command,
        cwd=folder,
        env=outside_world(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
