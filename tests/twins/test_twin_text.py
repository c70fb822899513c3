"""Aligned tables and one line per fact, as a terminal prints them too."""

from __future__ import annotations

from twin_support import Page

from batchmagic import twins
from batchmagic.twins.look import COLOURS, DIM, SHARE


def test_a_table_is_aligned() -> None:
    rows = [
        {"name": "amber", "rows": 12440, "done": None, "_hidden": 1},
        {"name": "a-longer-name", "rows": 7, "done": True},
    ]
    assert twins.table(rows) == [
        "NAME             ROWS  DONE",
        "amber          12,440",
        "a-longer-name       7   yes",
    ]
    assert twins.table([]) == []
    assert twins.table([{"name": "abcdef"}], longest=4) == ["NAME", "abc…"]


def test_wide_letters_take_two_columns() -> None:
    lines = twins.table(
        [{"name": "心臓", "x": "1"}, {"name": "abcd", "x": "2"}, {"name": "e\u0301bcd", "x": "3"}]
    )
    assert lines[1:] == ["心臓  1", "abcd  2", "e\u0301bcd  3"]


def test_cells_are_one_line() -> None:
    row = {"text": "a\n b\x1b[31m", "list": ["x", 1000], "map": {"k": [1, None]}, "none": None}
    assert twins.table([row])[1] == "a b [31m  x, 1,000  k=1,"


def test_a_block_has_a_line_per_fact() -> None:
    values = {
        "name": "heart",
        "none": None,
        "settings": {"mini_batch_size": 10, "gone": None, "fail_fast": True},
    }
    assert twins.block(values) == [
        "name      heart",
        "settings  mini_batch_size: 10",
        "          fail_fast: yes",
    ]


def _channels(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _luminance(colour: list[float]) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _contrast(one: list[float], other: list[float]) -> float:
    high, low = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _mixed(colour: list[float], share: float, text: float, alpha: float, page: list[float]) -> list[float]:
    """Do what CSS does with `color-mix(in srgb, …)` of two colours, of which the second is `alpha` opaque."""
    total = share + (1 - share) * alpha
    return [
        c * share + text * (1 - share) * alpha + p * (1 - total) for c, p in zip(colour, page, strict=True)
    ]


def test_colours_can_be_read_on_light_and_on_dark() -> None:
    # The text of JupyterLab's themes, and the pages that it stands on.
    for text, alpha, pages in ((0.0, 0.87, ["#ffffff"]), (1.0, 1.0, ["#212121", "#111111"])):
        for page in map(_channels, pages):
            for colour in map(_channels, COLOURS.values()):
                assert _contrast(_mixed(colour, SHARE / 100, text, alpha, page), page) >= 4.5
            dim = [text * alpha * DIM / 100 + p * (1 - alpha * DIM / 100) for p in page]
            assert _contrast(dim, page) >= 4.5


def test_without_styles_parts_stay_apart() -> None:
    document = {"endpoint": "heart", "deployment": "xgb", "name": "amber", "status": "Running"}
    assert Page(twins.job_head(document)).text.strip() == "● Running · heart / xgb · amber"
