"""The README's code blocks do what it says, in its order, in an otherwise empty folder."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from demo_support import outside_world

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def test_every_block_is_of_a_kind_that_is_run():
    assert BLOCKS
    assert {language for language, _ in BLOCKS} == {"ipython", "python", "sh"}
    assert README.count("```") == 2 * len(BLOCKS)


def test_the_make_commands_are_there():
    lines = [line for _, text in BLOCKS for line in text.splitlines() if line.startswith("make ")]
    assert [line.split()[1] for line in lines[:2]] == ["demo", "lab"]
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
    cells = [text for language, text in BLOCKS if language == "ipython"]
    outputs = run_cells(cells, tmp_path)
    try:
        sdk, command_line, https = (
            run(language, text, tmp_path)
            for language, text in BLOCKS
            if language != "ipython" and "make " not in text
        )
    finally:
        run("sh", "batchmagic serve --stop", tmp_path)

    assert any("12" in text for text in outputs["text/plain"])
    assert any("Deployed digits/largest, version 1" in text for text in outputs["stdout"])
    assert sum("Completed" in text for text in outputs["text/plain"]) == 2
    assert "Status: Completed" in sdk
    assert "predictions.csv" in command_line
    assert (tmp_path / "scores" / "predictions.csv").is_file()
    assert "/batchmagic/endpoints/digits/jobs" in https


def run_cells(cells: list[str], folder: Path) -> dict[str, list[str]]:
    """Run the cells as a notebook in `folder`, and return what they show."""
    path = folder / "readme.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells]), path)
    finish([sys.executable, "-m", "jupyter", "execute", "--inplace", path.name], folder)
    notebook = nbformat.read(path, as_version=4)
    shown = [output for cell in notebook.cells for output in cell.outputs]
    return {
        "stdout": [output.text for output in shown if output.output_type == "stream"],
        "text/plain": [output.data["text/plain"] for output in shown if "data" in output],
    }


def run(language: str, text: str, folder: Path) -> str:
    """Do with a block what its reader does; return what it prints."""
    command = (
        [sys.executable, "-c", text] if language == "python" else ["bash", "-euo", "pipefail", "-c", text]
    )
    return finish(command, folder)


def finish(command: list[str], folder: Path) -> str:
    """Run a command in `folder` and return what it prints."""
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
