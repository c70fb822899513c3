"""The table of docs/security-cases.md against the tests, and the cases that the code's own shape answers."""

from __future__ import annotations

import ast
import re
import tomllib
from functools import cache
from pathlib import Path

import pytest

import batchmagic

PACKAGE = Path(batchmagic.__file__).parent
HOME = PACKAGE.parent
CASES = [f"S{number:02d}" for number in range(1, 24)]
TABLE = HOME / "docs" / "security-cases.md"
_ROW = re.compile(r"^\| (S\d\d) \| (.+) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
# They write backups, and look for names of modules in one member of a model file; nothing is laid out on disk.
MAY_READ_ARCHIVES = {"workspace/archive.py", "scoring/preload.py"}
FLOORS = {"jupyter_server": (2, 21), "distributed": (2026, 1, 1), "mlflow": (3, 15)}


def rows() -> dict[str, list[tuple[str, str]]]:
    return {case: _TEST.findall(tests) for case, _, tests in _ROW.findall(TABLE.read_text(encoding="utf-8"))}


@cache
def found_in(path: Path) -> dict[str, str]:
    """Names of the tests of a file, with what their docstrings say."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {node.name: ast.get_docstring(node) or "" for node in found if node.name.startswith("test_")}


def test_the_table_has_every_case_once_and_in_order():
    assert [case for case, _, _ in _ROW.findall(TABLE.read_text(encoding="utf-8"))] == CASES


@pytest.mark.parametrize("case", CASES)
def test_every_case_has_tests_that_exist(case):
    named = rows()[case]
    assert named, f"nothing tests {case}"
    for path, name in named:
        assert name in found_in(HOME / path), f"{path} has no {name}"


def test_every_test_that_names_a_case_is_in_the_table():
    known = {(case, path, name) for case, named in rows().items() for path, name in named}
    for path in sorted((HOME / "tests").rglob("test_*.py")):
        for name, said in found_in(path).items():
            for case in re.findall(r"\bS\d\d\b", said):
                place = path.relative_to(HOME).as_posix()
                assert (case, place, name) in known, (
                    f"docs/security-cases.md lacks {place}::{name} for {case}"
                )


def modules():
    return sorted(PACKAGE.rglob("*.py"))


def test_nothing_unpacks_archives():
    """S09"""
    for path in modules():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {
            name.name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in [*node.names, *([ast.alias(node.module)] if getattr(node, "module", None) else [])]
        }
        called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        place = path.relative_to(PACKAGE).as_posix()
        assert not called & {"extract", "extractall", "unpack_archive"}, place
        assert place in MAY_READ_ARCHIVES or not imported & {"tarfile", "zipfile"}, place


def test_floors_are_above_the_known_faults():
    """S23"""
    project = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = [item for items in project.get("optional-dependencies", {}).values() for item in items]
    wanted = [re.match(r"([\w.-]+).*?>=([\d.]+)", item) for item in [*project["dependencies"], *optional]]
    floors = {found[1]: tuple(map(int, found[2].split("."))) for found in wanted if found}
    for name, least in FLOORS.items():
        assert floors[name] >= least, f"{name} {floors[name]}"


def test_versions_that_are_installed_by_the_lock_are_not_below_the_floors():
    """S23"""
    lock = (HOME / "requirements.lock").read_text(encoding="utf-8")
    for name, least in FLOORS.items():
        found = re.search(rf"^{name.replace('_', '[-_]')}==([\d.]+)", lock, re.MULTILINE)
        assert found, f"{name} is not in the lock"
        assert tuple(map(int, found[1].split("."))) >= least
