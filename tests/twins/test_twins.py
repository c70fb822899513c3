"""Twins of every kind: three forms, small, well formed, and safe whatever is in the document."""

from __future__ import annotations

import json
import time

import pytest
from twin_samples import ERRORS, THINGS, clean_job, completed, failed, job, samples, waiting
from twin_support import Page

from batchmagic import twins
from batchmagic.twins.values import LIMIT

SAMPLES = samples()
HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"'><img src=x onerror=alert(1)>&amp;",
    "long": "x" * 5000,
    "lines": "one\ntwo\r\n\x1b[31mthree\x00\tfour",
    "emoji": "🧬🇬🇧👩‍🔬 données",
    "arabic": "\u202eevil\u202c \u0645\u0644\u0641 \u2067x",
    "broken": "name-\udce9.csv",
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_kind_has_three_forms(name: str) -> None:
    kind, document = SAMPLES[name]
    shown = twins.bundle(kind, document)
    assert list(shown) == [f"application/vnd.batchmagic.{kind}.v1+json", "text/html", "text/plain"]
    stored = shown[twins.mime_type(kind)]
    assert stored["kind"] == kind
    assert len(json.dumps(stored).encode()) < LIMIT
    assert json.loads(json.dumps(stored, allow_nan=False)) == stored
    assert shown["text/html"] == twins.html(kind, document)
    assert shown["text/plain"] == twins.text(kind, document)


@pytest.mark.parametrize("name", SAMPLES)
def test_html_is_well_formed_and_keeps_to_itself(name: str) -> None:
    page = Page(twins.html(*SAMPLES[name]))
    assert not {tag for tag, _ in page.tags} & {"script", "link", "img", "iframe", "html", "body"}
    for _, attributes in page.tags:
        assert not {key for key in attributes if key.startswith("on")} | (
            {"id", "href", "src"} & set(attributes)
        )
        assert all(c.startswith("bm") for c in (attributes.get("class") or "").split())
    rules = "".join(page.styles)
    assert "url(" not in rules
    assert "@" not in rules
    selectors = [rule.partition("{")[0] for rule in rules.split("}")][:-1]
    assert all(".bm" in one for selector in selectors for one in selector.split(","))


@pytest.mark.parametrize("name", SAMPLES)
def test_text_fits_a_screen(name: str) -> None:
    lines = twins.text(*SAMPLES[name]).split("\n")
    assert all(len(line) <= 120 for line in lines if "DETAIL" not in lines[0])
    assert all(line == line.rstrip() for line in lines)


def test_a_running_job_tells_its_figures() -> None:
    text = " ".join(Page(twins.html("job", job())).text.split())
    for part in (
        "● Running · heart / classifier-xgboost · amber-falcon-3f9a",
        "1,244 / 2,000 mini-batches",
        "12,440 rows",
        "38/s now, 37/s mean",
        "0:19 left of 0:53",
        "3 retried",
        "16 files failed",
        "Next: %batch job cancel amber",
    ):
        assert part in text
    assert twins.text("job", job()).split("\n")[:2] == [
        "● Running  heart / classifier-xgboost  amber-falcon-3f9a  0:34",
        "  ━━━━━━━━━━━━━━──────────  1,244/2,000 mini-batches · 12,440 rows · 38/s · 0:19 left · 3 retried · 16 files failed",
    ]


def test_a_job_with_failed_files_is_no_plain_success() -> None:
    text = Page(twins.html("job", completed())).text
    assert "● Completed · 16 files failed · heart / classifier-xgboost" in text
    assert (
        "1,984 of 2,000 mini-batches · 19,840 rows → predictions.csv · 38/s · 16 files failed in 2 ways"
        in text
    )
    assert "ValueError: could not convert string to float: 'n/a'\nscore.py, line 9, in run: pred = " in text
    assert " | 13 | patients-0107.csv | " in text
    assert "%batch job resume amber --redo-failed" in text
    assert 'class="bm-state bm-warn"' in twins.job_head(completed())
    assert 'class="bm-state bm-ok"' in twins.job_head(clean_job())


def test_a_failed_job_says_why() -> None:
    detail = failed()["status_detail"]
    assert detail in Page(twins.html("job", failed())).text
    assert f"  {detail}" in twins.text("job", failed()).split("\n")
    alone = failed() | {"errors": [], "error_kinds": 0, "status_detail": "could not convert"}
    error = "ValueError: could not convert string to float: 'n/a'"
    assert twins.text("job", alone).count("could not convert") == 1
    assert error in Page(twins.html("job", alone)).text


def test_before_there_is_a_plan_the_detail_stands_in_for_figures() -> None:
    page = Page(twins.html("job", waiting()))
    assert "starting 2 instances of local" in page.text
    assert "0 / 0" not in page.text
    assert twins.text("job", waiting()).split("\n")[1] == "  starting 2 instances of local"


def test_a_canceled_job_does_not_point_to_an_output() -> None:
    canceled = completed(status="Canceled")
    assert "predictions.csv" not in twins.text("job", canceled) + twins.html("job", canceled)


def test_the_bar_shows_one_failure_among_thousands() -> None:
    bar = twins.job_bar(
        job(progress={"mini_batches": 100_000, "completed": 50_000, "failed": 1, "running": 0})
    )
    assert '<i class="bm-ok" style="width:50%">' in bar
    assert '<i class="bm-err" style="width:0.5%">' in bar
    assert 'aria-valuemax="100000" aria-valuenow="50001"' in bar
    assert "bm-run" not in twins.job_bar(completed(progress={"running": 4}))


def test_errors_beyond_the_shown_ones_are_counted() -> None:
    document = completed(error_kinds=7)
    assert "and 5 more kinds" in Page(twins.error_table(document)).text
    assert "  and 5 more kinds" in twins.text("job", document).split("\n")
    assert twins.error_table(job(errors=[])) == ""


def test_an_error_that_a_later_attempt_survived_says_so() -> None:
    group = {**ERRORS[0], "files": 0, "count": 12}
    assert (
        "12 attempts failed, and a later one succeeded" in Page(twins.error_table(job(errors=[group]))).text
    )


def test_a_missing_counter_or_null_is_no_error() -> None:
    bare = {
        "name": "amber",
        "status": "Queued",
        "progress": None,
        "pace": None,
        "errors": None,
        "error": None,
    }
    assert "Queued" in twins.text("job", bare)
    Page(twins.html("job", bare))
    assert "amber" in twins.text("job-list", {"items": [bare]})


@pytest.mark.parametrize("kind", ["job", *THINGS])
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_hostile_values_stay_text(kind: str, value: str) -> None:
    document = _filled(job() if kind == "job" else THINGS[kind], value)
    for shown_as, shown in ((kind, document), (f"{kind}-list", {"items": [document] * 3, "nothing": value})):
        made = twins.bundle(shown_as, shown)
        page = Page(made["text/html"])
        assert not {tag for tag, _ in page.tags} & {"script", "img"}
        assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
        assert len(made["text/html"]) < 60_000
        assert len(json.dumps(made[twins.mime_type(shown_as)], ensure_ascii=False).encode()) < LIMIT
        made["text/plain"].encode()
        lines = made["text/plain"].split("\n")
        assert len(lines) < 60
        # Names have no end of their own: six columns of them are the widest line there can be.
        assert max(map(len, lines)) < 450
        assert not any(c in made["text/plain"] + page.text for c in "\x00\x1b\r\u202e\u2067")


def _filled(value: object, text: str) -> object:
    if isinstance(value, dict):
        return {
            key: item if key in {"status", "kind"} else _filled(item, text) for key, item in value.items()
        }
    if isinstance(value, list):
        return [_filled(item, text) for item in value]
    return text if isinstance(value, str) and not value[:4].isdecimal() else value


def test_credentials_in_uris_are_in_no_form() -> None:
    secret = "hunter2"
    urls = [f"https://me:{secret}@h.example/x", f"see https://h.example/x?sv=1&sig={secret} for more"]
    document = completed(input=urls[0], status_detail=urls[1], errors=[{**ERRORS[0], "message": urls[1]}])
    for kind, shown in (("job", document), ("job-list", {"items": [document]})):
        assert secret not in json.dumps(twins.bundle(kind, shown))
    model = THINGS["model"] | {"path": urls[0], "description": urls[1], "tags": {"from": urls[0]}}
    assert secret not in json.dumps(twins.bundle("model", model))


@pytest.mark.parametrize("kind", ["job", *THINGS])
def test_a_list_of_ten_thousand_is_quick_and_small(kind: str) -> None:
    one = job() if kind == "job" else THINGS[kind]
    items = [{**one, "name": f"item-{number:05}"} for number in range(10_000)]
    began = time.perf_counter()
    made = twins.bundle(f"{kind}-list", {"items": items, "nothing": "None."})
    assert time.perf_counter() - began < 2
    stored = made[twins.mime_type(f"{kind}-list")]
    assert stored["total"] == 10_000
    assert 5 < len(stored["items"]) <= 100
    assert len(json.dumps(stored, ensure_ascii=False).encode()) < LIMIT
    assert len(made["text/html"]) < 64_000
    assert made["text/plain"].endswith("\nand 9,900 more")
    assert len(made["text/plain"].split("\n")) == 102
    assert "and 9,900 more" in made["text/html"]


def test_an_empty_list_says_what_to_say() -> None:
    empty = {"items": [], "total": 0, "nothing": "No endpoints yet."}
    assert twins.text("endpoint-list", empty) == "No endpoints yet."
    assert "No endpoints yet." in Page(twins.html("endpoint-list", empty)).text
    assert twins.text("model-list", {"items": []}) == "No model."


def test_a_twin_of_a_live_view_can_be_hidden_by_it() -> None:
    html = twins.html("job", job(), view="a1<b")
    assert html.startswith('<div class="bm bm-twin bm-twin-a1b">')
    assert ".jp-OutputArea-child:has(+ .jp-OutputArea-child .bm-twin-a1b)" in html
    assert "bm-twin-" not in twins.html("job", job())


def test_a_long_document_keeps_its_first_keys() -> None:
    endless = {
        "name": "m",
        "tags": {f"key {n}": "v" * 500 for n in range(500)},
        "flavors": [["x" * 90] * 90] * 90,
    }
    stored = twins.bundle("model", endless)[twins.mime_type("model")]
    assert stored["name"] == "m"
    assert len(json.dumps(stored).encode()) < LIMIT
