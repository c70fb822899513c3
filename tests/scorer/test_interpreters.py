"""The scoring process runs under interpreters that are not ours."""

from __future__ import annotations

import ast
import os
import shutil
import sys
from pathlib import Path

import owner as driver
import pytest

FOLDER = driver.SCORER.parent
OURS = [driver.SCORER, FOLDER / "columns.py", *sorted((FOLDER / "child").glob("*.py"))]
SCRIPT = """
import json, os, sys, time, ctypes
def init(): print('up', flush=True)
def run(mb):
    if mb == ['/bad']: raise SystemExit('bad')
    while mb == ['/hang']: ctypes.PyDLL(None).sleep(1000)
    if mb == ['/rows']: return ({'n': n} for n in range(2))
    return [sys.version_info[1], None, 'a,b', 1.5]
"""


def interpreters() -> list[str]:
    """Return one interpreter of every version from 3.8 on that is installed here, but ours."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {}
    for minor in range(8, 20):
        if minor == sys.version_info.minor:
            continue
        places = [*sorted(pyenv.glob(f"3.{minor}.*/bin/python3")), shutil.which(f"python3.{minor}")]
        found[minor] = next((str(p) for p in places if p and "shims" not in str(p)), None)
    return [path for path in found.values() if path]


@pytest.mark.parametrize("python", interpreters() or [sys.executable])
@pytest.mark.parametrize("spawn", [False, True])
def test_everything_works_under_another_interpreter(tmp_path: Path, python: str, spawn):
    with driver.owner(tmp_path, python=python) as owner:
        assert owner.prepare("json")["executable"] == python
        process = owner.ready(SCRIPT, spawn=spawn, output_format="parquet")
        minor, null, text, double = process.one("/a").raw.decode().splitlines()
        assert minor.startswith('{"result":"')
        assert (null, text, double) == ('{"result":null}', '{"result":"a,b"}', '{"result":"1.5"}')
        bad, rows = process.score(["/bad"], ["/rows"])
        assert bad.header["error"]["frame"][1] == 5
        assert rows.raw == b'{"result":{"n":0}}\n{"result":{"n":1}}\n'
        process.lease(["/hang"])
        while 'score.py", line 6 in run' not in process.text("dump"):
            process.ask("dump")
        process.ask("kill")
        assert os.WTERMSIG(process.exit()) == 9
        assert process.text("stdout") == "up\n"
        assert process.text("stderr") == ""


@pytest.mark.parametrize("path", OURS, ids=lambda p: p.name)
def test_the_sources_are_python_3_8_and_import_only_the_standard_library(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))
    for node in tree.body:
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        for name in names:
            assert name.partition(".")[0] in sys.stdlib_module_names | {"__future__"}, name
    if len(path.read_text(encoding="utf-8")) > 500:
        assert "from __future__ import annotations" in path.read_text(encoding="utf-8")


def test_loading_it_brings_in_nothing_but_the_standard_library_and_no_private_name_on_the_path(
    tmp_path: Path,
):
    with driver.owner(tmp_path) as owner:
        owner.prepare()
        process = owner.ready(
            "import sys\ndef run(mb):\n"
            "    tops = {m.partition('.')[0] for m in sys.modules}\n"
            "    return [sorted(tops & {'numpy', 'pandas', 'pyarrow', 'mlflow', 'batchmagic', 'child', 'columns'}),\n"
            "            [p for p in sys.path if p.endswith('scoring')], '__main__' in sys.modules]\n"
        )
        assert process.one("/a", "/b").raw == b"[]\n[]\ntrue\n"
