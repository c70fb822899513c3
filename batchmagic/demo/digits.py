"""The data and the model of the demo: handwritten digits that come with scikit-learn."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

FILES = 400
PER_FILE = 3
BROKEN_FILES = 40
BROKEN = 17
SMUDGE = "smudged"


@dataclass(frozen=True, kw_only=True, slots=True)
class Digits:
    """The data in two parts.

    Attributes
    ----------
    pixels, digits
        What the model learns from.
    unseen, known
        What is scored, in the order of the files, and what is right.
    """

    pixels: pd.DataFrame
    digits: pd.Series[int]
    unseen: pd.DataFrame
    known: list[int]


def load() -> Digits:
    """Return the digits, 1,200 of them set aside to be scored; the same ones every time."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 - slow
    from sklearn.model_selection import train_test_split  # noqa: PLC0415

    data = load_digits(as_frame=True)
    pixels, unseen, digits, known = train_test_split(
        data.data, data.target, test_size=FILES * PER_FILE, random_state=0, stratify=data.target
    )
    return Digits(pixels=pixels, digits=digits, unseen=unseen, known=[int(digit) for digit in known])


def train(data: Digits) -> Any:
    """Return a classifier that has learned from `data`."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415 - slow
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import StandardScaler  # noqa: PLC0415

    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=300)).fit(data.pixels, data.digits)


def save_model(model: Any, data: Digits, folder: Path) -> None:
    """Write the model to `folder` in MLflow's format, with a signature."""
    import mlflow.sklearn  # noqa: PLC0415 - slow
    from mlflow.models import infer_signature  # noqa: PLC0415

    signature = infer_signature(data.pixels, model.predict(data.pixels[:5]))
    # What MLflow would find out by itself takes it several seconds.
    mlflow.sklearn.save_model(model, folder, signature=signature, pip_requirements=["mlflow", "scikit-learn"])


def write_sheets(data: Digits, folder: Path) -> None:
    """Write what is to be scored as CSV files of three digits each."""
    folder.mkdir()
    for number in range(FILES):
        rows = data.unseen[number * PER_FILE : (number + 1) * PER_FILE]
        rows.to_csv(folder / sheet_name(number), index=False)


def write_broken_sheets(sheets: Path, folder: Path) -> Path:
    """Copy some of the sheets to `folder`, spoil one of the copies and return it."""
    folder.mkdir()
    for number in range(BROKEN_FILES):
        shutil.copyfile(sheets / sheet_name(number), folder / sheet_name(number))
    broken = folder / sheet_name(BROKEN)
    header, *lines = broken.read_text(encoding="utf-8").splitlines()
    cells = lines[1].split(",")
    cells[20] = SMUDGE
    lines[1] = ",".join(cells)
    broken.write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return broken


def sheet_name(number: int) -> str:
    """Return the name of a sheet; names sort like numbers."""
    return f"sheet-{number:03d}.csv"
