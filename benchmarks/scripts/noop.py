"""Does nothing, so that what is measured is the way there and back."""

from __future__ import annotations


def run(mini_batch: list[str]) -> list[int]:
    """Return one row."""
    return [len(mini_batch)]
