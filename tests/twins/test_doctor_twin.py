"""The doctor's findings as HTML and text: what is wrong stands out, and commands are whole."""

from __future__ import annotations

import json

import pytest
from twin_samples import DOCTOR
from twin_support import Page

from batchmagic import twins

HOSTILE = "\x1b[31m<script>alert(1)</script>\"'\u202e" + "x" * 3000


def test_the_worst_comes_first_and_every_line_has_its_state() -> None:
    lines = twins.text("doctor", DOCTOR).split("\n")
    assert lines[0] == (
        "✗ Something is broken · 1 broken, 1 to look at, 3 things ok · /home/ann/project/.batchmagic"
    )
    assert "  ✓ ok      folder: ~/project/.batchmagic, yours alone" in lines
    assert "            do: batchmagic prune" in lines
    assert lines[lines.index("            do: batchmagic prune") - 1].startswith("            ")
    assert "Limits" not in lines


def test_html_tells_the_same() -> None:
    html = twins.html("doctor", DOCTOR)
    text = " ".join(Page(html).text.split())
    assert "✗ Something is broken · 1 broken, 1 to look at, 3 things ok" in text
    assert (
        "✗ broken | job amber-falcon-3f9a | ledger.db is damaged (the file is empty). Do: batchmagic job delete"
        in text
    )
    assert "<code>batchmagic prune</code>" in html
    assert [html.count(f'class="bm-{tint}">') for tint in ("ok", "warn", "err")] == [3, 1, 2]


@pytest.mark.parametrize("state", ["ok", "look", "broken"])
def test_the_headline_is_that_of_the_state(state: str) -> None:
    headline = twins.text("doctor", {**DOCTOR, "state": state}).split("\n")[0]
    assert headline[2:].startswith(
        {"ok": "All is well", "look": "Works", "broken": "Something is broken"}[state]
    )


def test_hostile_text_stays_text_and_a_bare_document_is_no_error() -> None:
    finding = dict.fromkeys(("state", "subject", "text", "do"), HOSTILE)
    document = {
        "workspace": HOSTILE,
        "state": HOSTILE,
        "parts": [{"title": HOSTILE, "findings": [finding] * 50}],
    }
    made = twins.bundle("doctor", document)
    page = Page(made["text/html"])
    assert not {tag for tag, _ in page.tags} & {"script", "img"}
    assert not any(c in made["text/plain"] + page.text for c in "\x00\x1b\r\u202e")
    assert max(map(len, made["text/plain"].split("\n"))) < 600
    assert len(json.dumps(made[twins.mime_type("doctor")], ensure_ascii=False).encode()) < 10_000
    assert twins.text("doctor", {})
    Page(twins.html("doctor", {}))
