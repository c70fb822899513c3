"""Numbers as people read them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """Return a duration as ``0:19`` or ``1:02:03``."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def counted(number: int, noun: str) -> str:
    """Return ``1 file``, ``2 files``, ``1 mini-batch``, ``1,200 mini-batches``."""
    plural = "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{'' if number == 1 else plural}"
