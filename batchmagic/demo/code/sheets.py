"""Reads the sheets: CSV files with one handwritten digit per line, as 64 grey values."""

from __future__ import annotations

import pandas as pd


def read(path: str) -> pd.DataFrame:
    """Return the digits of a sheet, one row each."""
    return pd.read_csv(path).astype("float64")
