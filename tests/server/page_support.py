"""What stands in fences on the pages about serving."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

PAGES = Path(__file__).parents[2] / "docs"
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL
)


def blocks(page: str, kind: str) -> list[str]:
    """Return the texts of one kind on a page."""
    text = (PAGES / page).read_text(encoding="utf-8")
    return [textwrap.dedent(found["text"]) for found in _FENCE.finditer(text) if found["kind"] == kind]


def block(page: str, kind: str, having: str) -> str:
    """Return the one text that has something in it."""
    (found,) = [text for text in blocks(page, kind) if having in text]
    return found
