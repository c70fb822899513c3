"""The recipes of docs/serving.md and docs/jupyterhub.md, as far as they can be tried here without what they are for."""

from __future__ import annotations

import configparser
import json
import py_compile
import re
import shutil
import subprocess
import sys

import pytest
import yaml
from page_support import PAGES, block, blocks

from batchmagic.cli.main import parser_of
from batchmagic.server.routes import PREFIX, ROUTES


@pytest.mark.parametrize("page", ["serving.md", "jupyterhub.md"])
def test_what_is_python_compiles(page, tmp_path):
    found = blocks(page, "python")
    assert found
    for text in found:
        file = tmp_path / "block.py"
        file.write_text(text)
        py_compile.compile(str(file), doraise=True)


@pytest.mark.parametrize("page", ["serving.md", "jupyterhub.md"])
def test_what_is_shell_json_and_yaml_can_be_read(page):
    for text in blocks(page, "sh"):
        done = subprocess.run(["sh", "-n"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (text, done.stderr)
    for text in blocks(page, "json"):
        assert json.loads(text)["properties"]["InputData"]
    for text in blocks(page, "yaml"):
        assert yaml.safe_load(text)["scrape_configs"][0]["metrics_path"] == f"{PREFIX}/metrics"


def test_every_line_of_ours_has_words_that_there_are():
    lines = [line for text in blocks("serving.md", "sh") for line in text.splitlines()]
    unit = block("serving.md", "ini", "[Service]")
    lines += [line.partition("bin/")[2] for line in unit.splitlines() if line.startswith("ExecStart=")]
    ours = [line for line in lines if line.startswith("batchmagic ")]
    assert len(ours) >= 7
    for line in ours:
        parser_of().parse_args(line.split()[1:])


def test_the_requests_of_the_page_are_in_the_table_of_routes():
    text = (PAGES / "serving.md").read_text(encoding="utf-8")
    known = {route.path for route in ROUTES}
    for path in re.findall(r"`(?:GET|POST) /batchmagic(/[^`?]*)[?`]", text):
        wanted = re.sub(r"/E/", "/{endpoint}/", path)
        assert wanted in known, path


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd here")
def test_systemd_takes_the_unit(tmp_path):
    unit = block("serving.md", "ini", "[Service]")
    parsed = configparser.ConfigParser(strict=False, interpolation=None)
    parsed.optionxform = str
    parsed.read_string(unit)
    assert parsed["Service"]["KillMode"] == "process"
    file = tmp_path / "batchmagic.service"
    file.write_text(unit.replace("/opt/batch/bin/batchmagic", sys.executable).replace("User=batch\n", ""))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", file], capture_output=True, text=True, check=False
    )
    assert "batchmagic.service" not in done.stderr, done.stderr
