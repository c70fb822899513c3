"""What the slots have just been doing, one lane for each."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from batchmagic.twins.look import esc
from batchmagic.words import clock, counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchmagic.workspace.ledger_attempts import Attempt

_STEPS = 200
_MOST = 12
_NARROW = 1.5
_MINUTE = 60

Block = tuple[str, float, float]
"""Colour, and where it begins and ends, in percent."""


def lanes(attempts: Sequence[Attempt], *, now: float, window: float, running: bool) -> str:
    """Return a lane for each slot: the attempts of the last `window` seconds, from left to right.

    Parameters
    ----------
    now
        The lanes' right end, in seconds since the epoch.
    running
        Whether a slot that has nothing to show at its end is at work there.
    """
    # In steps, so that what does not move is not sent again.
    step = window / _STEPS
    end = math.ceil(now / step) * step
    slots: dict[tuple[str, int], list[Attempt]] = {}
    for attempt in attempts:
        slots.setdefault((attempt.instance, attempt.slot), []).append(attempt)
    keys = sorted(slots, key=lambda key: (len(key[0]), key))
    rows = [_row(key, slots[key], end=end, window=window, running=running) for key in keys[:_MOST]]
    more = len(keys) - _MOST
    note = f'<p class="bm-dim">and {esc(counted(more, "more slot"))}</p>' if more > 0 else ""
    return f'<div class="bm-lanes">{"".join(rows)}</div>{note}'


def _row(
    key: tuple[str, int], attempts: Sequence[Attempt], *, end: float, window: float, running: bool
) -> str:
    blocks = _merged(_blocks(attempts, end - window, window))
    last = attempts[-1]
    if running and blocks and blocks[-1][2] < 100 - 100 / _STEPS:
        blocks.append(("run", blocks[-1][2], 100.0))
    drawn = "".join(
        f'<i class="bm-{colour}" style="left:{left:.4g}%;width:{right - left:.4g}%"></i>'
        for colour, left, right in blocks
    )
    instance, slot = key
    return (
        f'<span class="bm-mono bm-dim">{esc(instance)} · slot {slot}</span><div class="bm-lane">{drawn}</div>'
        f'<span class="bm-mono bm-dim bm-num">#{last.mini_batch} {_seconds(last.seconds)}</span>'
    )


def _blocks(attempts: Iterable[Attempt], start: float, window: float) -> list[Block]:
    found = []
    for attempt in attempts:
        left = 100 * (attempt.started - start) / window
        right = left + 100 * attempt.seconds / window
        if right > 0:
            colour = "ok" if attempt.ok else "err" if attempt.final else "retry"
            found.append((colour, max(0.0, left), min(100.0, right)))
    return found


def _merged(blocks: Sequence[Block]) -> list[Block]:
    """Return the blocks on the grid of steps; narrow ones of a colour, which nobody could tell apart, are one."""
    found: list[Block] = []
    for colour, left, right in blocks:
        begin, end = _on_grid(left), max(_on_grid(right), _on_grid(left) + 100 / _STEPS)
        if found and found[-1][0] == colour and begin - found[-1][2] < _NARROW and right - left < _NARROW:
            found[-1] = (colour, found[-1][1], max(end, found[-1][2]))
        else:
            begin = max(begin, found[-1][2]) if found else begin
            found.append((colour, begin, max(end, begin)))
    return found


def _on_grid(percent: float) -> float:
    return round(percent * _STEPS / 100) * 100 / _STEPS


def _seconds(seconds: float) -> str:
    if seconds >= _MINUTE:
        return clock(seconds)
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"
