"""Twins: every object as HTML and as text, made from its document alone.

A document is a small dictionary of JSON values that holds no secret. Twins stay in a notebook when the kernel is gone, on a
page that takes styles away too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.twins import columns
from batchmagic.twins import text as texts
from batchmagic.twins.columns import MOST
from batchmagic.twins.doctor import doctor_card, doctor_text
from batchmagic.twins.job import error_table, job_bar, job_card, job_facts, job_head
from batchmagic.twins.look import root, sheet
from batchmagic.twins.overview import overview_card, overview_text
from batchmagic.twins.text import block, table
from batchmagic.twins.things import errors_card, list_card, thing_card
from batchmagic.twins.values import compact

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "MOST",
    "block",
    "bundle",
    "error_table",
    "html",
    "job_bar",
    "job_facts",
    "job_head",
    "mime_type",
    "sheet",
    "table",
    "text",
]


def mime_type(kind: str) -> str:
    """Return the MIME type of the documents of a kind."""
    return f"application/vnd.batchmagic.{kind}.v1+json"


def bundle(kind: str, document: Mapping[str, Any], *, view: str = "") -> dict[str, Any]:
    """Return the document, its HTML and its text by MIME type.

    Parameters
    ----------
    kind
        ``job``, ``endpoint``, … or one of these with ``-list``.
    view
        See `html`.
    """
    named = {"kind": kind, **document}
    small = columns.compact_list(columns.singular(kind), named) if kind.endswith("-list") else compact(named)
    return {
        mime_type(kind): small,
        "text/html": html(kind, document, view=view),
        "text/plain": text(kind, document),
    }


def html(kind: str, document: Mapping[str, Any], *, view: str = "") -> str:
    """Return a thing as HTML that needs no script and reads well without its styles.

    Parameters
    ----------
    view
        Name of the live view above it, which may hide it by the class ``bm-twin-<view>``.
    """
    if kind == "job":
        inner = job_card(document)
    elif kind == "errors":
        inner = errors_card(document)
    elif kind == "overview":
        inner = overview_card(document)
    elif kind == "doctor":
        inner = doctor_card(document)
    elif kind.endswith("-list"):
        inner = list_card(kind, document)
    else:
        inner = thing_card(kind, document)
    return root(inner, view=view)


def text(kind: str, document: Mapping[str, Any]) -> str:
    """Return a thing as text: a job in two or three lines, lists as aligned tables."""
    if kind == "job":
        lines = texts.job_text(document)
    elif kind == "errors":
        lines = texts.errors_text(document)
    elif kind == "overview":
        lines = overview_text(document)
    elif kind == "doctor":
        lines = doctor_text(document)
    elif kind.endswith("-list"):
        lines = texts.list_text(kind, document)
    else:
        lines = texts.thing_text(kind, document)
    return "\n".join(lines)
