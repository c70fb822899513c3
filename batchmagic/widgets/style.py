"""What a live view adds to the styles of the twins: its button, its tabs, its lanes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.twins import sheet

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIVE = """
.bm-live.bm-live{position:relative;padding:9px 0 0;margin:2px 0;overflow:hidden;width:auto}
.bm-live .widget-html{margin:0;width:auto;height:auto;min-height:0;overflow:visible}
.bm-live .widget-html>.widget-html-content{line-height:1.5;margin:0;padding:0;min-width:0;overflow:visible;font-size:1em}
.bm-live .bm-styles{display:none}
.bm-live .bm-head{min-height:26px;padding-right:116px}.bm-live .bm-over .bm-head{padding-right:14px}
.bm-live .bm-figures{min-height:52px}.bm-live .bm-over .bm-figures{min-height:0}
.bm-live .bm-cancel{position:absolute;top:9px;right:14px;width:auto;min-width:70px;height:26px;line-height:24px;margin:0;
padding:0 10px;font-size:1em;color:inherit;background:transparent;border:1px solid var(--bm-line);border-radius:3px;box-shadow:none}
.bm-live .bm-cancel:hover:enabled{border-color:currentColor;box-shadow:none}.bm-live .bm-cancel:disabled{opacity:.6}
.bm-live:has(.bm-over) .bm-cancel,.bm-live:has(.bm-over) .bm-choice{display:none}
.bm-live .bm-choice{padding:6px 14px 8px;margin:0;gap:8px;overflow:hidden}.bm-live .bm-choice .bm-cancel{position:static}
.bm-live .widget-dropdown{margin:0;width:auto;max-width:100%;height:26px;align-self:flex-start}.bm-live .widget-dropdown>select{height:26px;color:inherit;background-color:transparent;border-color:var(--bm-line)}
.bm-live .widget-dropdown>select option{color:initial}
.bm-live .widget-tab{margin:4px 0 0;width:auto}
.bm-live .widget-tab>.lm-TabBar,.bm-live .widget-tab>.p-TabBar{border-bottom:1px solid var(--bm-line);padding:0 14px;min-height:0;overflow:visible}
.bm-live .widget-tab>.lm-TabBar .lm-TabBar-content,.bm-live .widget-tab>.p-TabBar .p-TabBar-content{border:0;gap:18px}
.bm-live .widget-tab>.lm-TabBar .lm-TabBar-tab,.bm-live .widget-tab>.p-TabBar .p-TabBar-tab{flex:none;min-width:0;max-width:none;min-height:0;
margin:0;padding:5px 0;line-height:1.5;border:0;border-bottom:2px solid transparent;background:none;transform:none;color:inherit;opacity:.72;font-size:1em}
.bm-live .widget-tab>.lm-TabBar .lm-TabBar-tab.lm-mod-current,.bm-live .widget-tab>.p-TabBar .p-TabBar-tab.p-mod-current{opacity:1;font-weight:600;border-bottom-color:var(--jp-brand-color1,currentColor)}
.bm-live .widget-tab>.lm-TabBar .lm-mod-current::before,.bm-live .widget-tab>.p-TabBar .p-mod-current::before{display:none}
.bm-live .lm-TabBar-tabLabel,.bm-live .p-TabBar-tabLabel{overflow:visible}
.bm-live .widget-tab>.widget-tab-contents{border:0;padding:0;margin:0;background:none;color:inherit;min-height:64px;overflow:hidden}
.bm-live .bm-pane{padding:8px 14px 10px;overflow:auto;max-height:300px}.bm-live .bm-pane p{margin:0 0 4px}
.bm-live .bm-pane pre,.bm-live pre.bm-text{margin:0;padding:0;font:inherit;font-family:var(--jp-code-font-family,monospace);font-size:.93em;
line-height:1.45;white-space:pre-wrap;color:inherit;background:none;border:0}
.bm-live .bm-pane details{margin:2px 0 6px}.bm-live .bm-pane summary{cursor:pointer}.bm-live .bm-pane details pre{margin:4px 0 8px 14px}
.bm-live .bm-pane .bm-error{margin:0 0 8px}
.bm-live .bm-pane .bm-table{margin:0}.bm-live.bm-live .bm-pane .bm-table td,.bm-live.bm-live .bm-pane .bm-table th{padding:3px 18px 3px 0}
.bm-live .bm-logs{margin:0;padding:8px 14px 10px;overflow:hidden}
.bm-live .bm-tail.widget-html{display:flex;flex-direction:column-reverse;overflow:auto;max-height:260px;margin:6px 0 0}
.bm-live .bm-tail.widget-html>.widget-html-content{flex:none}
.bm-lanes{display:grid;grid-template-columns:max-content 1fr max-content;gap:5px 12px;align-items:center}
.bm-lane{position:relative;height:14px;border-radius:2px;overflow:hidden;background:color-mix(in srgb,currentColor 11%,transparent)}
.bm-lane i{position:absolute;top:0;bottom:0;background:currentColor;border-right:1px solid var(--jp-layout-color1,Canvas);box-sizing:border-box}
.bm-lane i.bm-run{border:0}
.bm-live.bm-live .bm-table.bm-jobs{margin:0}.bm-live.bm-live .bm-table.bm-jobs td{vertical-align:middle}.bm-live .bm-jobs .bm-bar{margin:0;min-width:140px;height:6px}
.bm-live .bm-trouble{padding:5px 14px}
.bm-live .jupyter-widgets-disconnected::before,.bm-live.jupyter-widgets-disconnected::before{display:none}
.bm-live .jupyter-widgets-disconnected.bm-cancel,.bm-live .jupyter-widgets-disconnected.bm-choice,
.bm-live .jupyter-widgets-disconnected.widget-dropdown{display:none}
.bm-live.jupyter-widgets-disconnected:not(:has(.bm-over))::after{content:"The kernel is gone: this is what it knew last.";padding:5px 14px 8px;opacity:.72}
"""


def style(view: str, *, replaced: Iterable[str] = ()) -> str:
    """Return the styles of a view, which also hide its twin, and the views that it takes the place of."""
    rules = [f".jp-OutputArea-child:has(.bm-twin-{view}),.bm-twin-{view}{{display:none}}"]
    rules += [f".jp-OutputArea-child:has(.bm-live-{old}),.bm-live-{old}{{display:none}}" for old in replaced]
    return f"{sheet()}<style>{_LIVE.strip()}\n{chr(10).join(rules)}</style>"


def folded(view: str) -> str:
    """Return what is left of a twin whose job another view shows: nothing that can be seen."""
    name = f"bm-twin-{view}"
    line = f".jp-OutputArea-child:has(+ .jp-OutputArea-child .{name})"
    rules = f".jp-OutputArea-child:has(.{name}),{line}>.jp-OutputArea-output.jupyter-widgets:not(:has(*)){{display:none}}"
    return f'<div class="bm-twin {name}"><style>{rules}</style></div>'
