"""The only place that joins a path from outside."""

from __future__ import annotations

import pytest

from batchmagic.errors import UnsafePath
from batchmagic.names import safe_join


@pytest.fixture
def base(tmp_path):
    for name in ("root", "rootX"):
        (tmp_path / name).mkdir()
    (tmp_path / "rootX" / "secret").touch()
    return tmp_path / "root"


def test_what_lies_inside_is_joined(base):
    assert safe_join(base, "a", "b.txt") == base / "a" / "b.txt"
    assert safe_join(base) == base


@pytest.mark.parametrize(
    "parts",
    [("..",), ("../rootX/secret",), ("a", "..", "..", "rootX"), ("/etc/passwd",), ("a\\..\\b",), ("a\0b",)],
)
def test_what_leads_out_is_refused(base, parts):
    with pytest.raises(UnsafePath):
        safe_join(base, *parts)


def test_a_link_to_a_folder_of_a_like_name_leads_out(base):
    (base / "link").symlink_to(base.parent / "rootX")
    with pytest.raises(UnsafePath):
        safe_join(base, "link", "secret")
