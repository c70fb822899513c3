"""The look of every view: one sheet of styles, and HTML made of escaped values only."""

from __future__ import annotations

import html
import re
from typing import Any

from batchmagic.twins.values import LONGEST, clean, cut

# Each colour is mixed with that of the text around it. So it is dark on a light page and light on a dark one, whatever
# tells the page its theme: JupyterLab, VS Code and Colab each have their own way.
COLOURS = {"ok": "#2aa136", "warn": "#c87800", "err": "#f03e3e", "run": "#228be6", "retry": "#b44fd0"}
SHARE = 74
"""Percent of the colour itself."""
DIM = 72
"""Percent of the text's colour that is left of what stands back."""

# A class stands there several times where a rule of JupyterLab's own, for any HTML, would else be the stronger one.
_SHEET = """
.bm{box-sizing:border-box;max-width:880px;color:var(--jp-content-font-color1,inherit);line-height:1.5;text-align:left;
font-size:var(--jp-ui-font-size1,13px);font-family:var(--jp-ui-font-family,system-ui,sans-serif);overflow-wrap:break-word;
--bm-line:var(--jp-border-color2,color-mix(in srgb,currentColor 18%,transparent))}
.bm-card{background:var(--jp-layout-color1,transparent);border:1px solid var(--bm-line);border-radius:4px;margin:2px 0;padding:9px 0 7px}
.bm-head{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 12px;padding:0 14px}
.bm-right{margin-left:auto}.bm-line{padding:5px 14px 1px}.bm-sep{display:none}
.bm-num{font-variant-numeric:tabular-nums}.bm-state{font-weight:600}.bm-dot{margin-right:6px}
.bm .bm-mono,.bm.bm.bm code{font-family:var(--jp-code-font-family,monospace);font-size:.93em;background:none;color:inherit;padding:0;border:0}
.bm-bar{display:flex;height:8px;margin:7px 14px 5px;border-radius:4px;overflow:hidden;background:color-mix(in srgb,currentColor 11%,transparent)}
.bm-bar>i{display:block;height:100%;flex:none;background:currentColor}
.bm-bar>i.bm-run{background:repeating-linear-gradient(45deg,currentColor 0 6px,transparent 6px 9px)}
.bm-row{display:flex;align-items:center;gap:12px;margin:5px 14px 1px 0;overflow-x:auto}.bm-row svg{display:block;flex:0 1 150px;min-width:60px;margin-left:auto}
.bm.bm .bm-facts{width:auto;margin:0;border:0;table-layout:auto;border-collapse:collapse;font-size:1em}
.bm.bm .bm-facts td{padding:0 14px;border:0;text-align:left;vertical-align:top;background:none;white-space:nowrap;line-height:1.4}
.bm-facts b{font-size:1.38em;font-weight:600;line-height:1.3}.bm-facts b span{font-weight:400}
.bm.bm .bm-table{width:100%;margin:6px 0 0;border:0;table-layout:auto;border-collapse:collapse;font-size:1em}
.bm.bm.bm.bm tbody tr,.bm.bm.bm.bm tbody tr:hover{background:none}
.bm.bm .bm-table td,.bm.bm .bm-table th{padding:4px 14px;border:0;border-top:1px solid var(--bm-line);text-align:left;
vertical-align:top;max-width:none;white-space:normal}
.bm.bm .bm-table th{font-weight:500}.bm.bm .bm-table thead th{border-top:0;padding-bottom:3px}
.bm.bm .bm-table .bm-n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
.bm.bm .bm-table .bm-w{white-space:nowrap}.bm.bm .bm-table th[scope]{width:1%;padding-right:8px}
.bm.bm .bm-list td,.bm.bm .bm-list th{padding:4px 10px}.bm.bm .bm-list td:first-child,.bm.bm .bm-list th:first-child{padding-left:14px}.bm.bm .bm-list{margin-top:-3px}
.bm .bm-code{margin:4px 0;white-space:pre-wrap;overflow-wrap:anywhere;background:none;color:inherit}
.bm-any{overflow-wrap:anywhere}.bm-scroll{overflow-x:auto}
"""


def sheet() -> str:
    """Return the `<style>` that the parts need, once around all of them."""
    return f"<style>{_SHEET.strip()}\n{_tints()}</style>"


def _tints() -> str:
    rules = [
        f".bm.bm.bm .bm-{name}{{color:color-mix(in srgb,{colour} {SHARE}%,var(--jp-content-font-color1,currentColor))}}"
        for name, colour in COLOURS.items()
    ]
    dim = f"color-mix(in srgb,var(--jp-content-font-color1,currentColor) {DIM}%,transparent)"
    return "\n".join([*rules, f".bm.bm.bm .bm-dim,.bm.bm.bm th{{color:{dim}}}"])


def esc(value: Any, length: int = LONGEST) -> str:
    """Return a value as one line of HTML's text, also inside quotes."""
    return html.escape(cut(clean(value), length))


def span(classes: str, value: Any, *, title: str = "") -> str:
    """Return a value in a `<span>`; what is longer than the value stands in its title."""
    more = f' title="{esc(title)}"' if title else ""
    return f'<span class="{classes}"{more}>{esc(value)}</span>'


def code(value: Any) -> str:
    """Return a value as code."""
    return f"<code>{esc(value)}</code>"


# Where JupyterLab does not trust a notebook it takes all styles but these away, and puts cells to the right.
LEFT = 'style="text-align:left"'


def sep(text: str = " · ") -> str:
    """Return what stands between two parts where no style sets them apart."""
    return f'<span class="bm-sep">{text}</span>'


def root(inner: str, *, view: str = "") -> str:
    """Return a whole twin: its styles, and `inner` in a card.

    Parameters
    ----------
    view
        The live view that stands above this twin, and hides it as long as it lives.
    """
    mark = re.sub(r"[^A-Za-z0-9_-]", "", view)
    if not mark:
        return f'<div class="bm bm-twin">{sheet()}<div class="bm-card">{inner}</div></div>'
    name = f"bm-twin-{mark}"
    return f'<div class="bm bm-twin {name}">{sheet()}{_orphan(name)}<div class="bm-card">{inner}</div></div>'


def _orphan(name: str) -> str:
    """Hide what JupyterLab says in the place of a view without a kernel: this twin says it better.

    That is bare text, "Loading widget…" and then "Error displaying widget"; a living view is made of elements.
    """
    above = f".jp-OutputArea-child:has(+ .jp-OutputArea-child .{name})"
    return f"<style>{above} > .jp-OutputArea-output:not(:has(*)){{display:none}}</style>"
