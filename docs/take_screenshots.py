"""Takes the pictures in docs/images: what a notebook shows, in the light and the dark theme (`make screenshots`)."""  # noqa: INP001 -- a script

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import lab_support
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lab_page import LabPage, Notebook

QUICKSTART = Path(__file__).resolve().parents[1] / "notebooks" / "quickstart.ipynb"
THEMES = ("light", "dark")
PATIENTS = 300
BAD = range(7, PATIENTS, 60)
"""Patients whose file cannot be read."""
LARGEST = 250_000
_COLOURS = 128
_PICTURES = 3

LOAD, DEPLOY, INVOKE, WAIT, OVERVIEW, JOBS, ENDPOINT, RESULT = range(8)
CELLS = [
    "%load_ext batchmagic",
    """%%batch deploy heart/risk --mini-batch-size 1 --max-retries 1
import time
import pandas as pd

def run(mini_batch):
    time.sleep(0.07)
    df = pd.concat(pd.read_csv(path) for path in mini_batch)
    return df.assign(risk=df.age * df.pressure.astype(float) / 10_000)
""",
    "job = %batch invoke heart --input patients/",
    "%batch invoke heart --input patients/ --error-threshold 2 --wait",
    "%batch",
    "%batch job list",
    "%batch endpoint show heart",
    "job.result().head(4)",
]

_PATIENCE = 120_000
_PART = "() => document.querySelector('.bm-live .bm-bar')?.getAttribute('aria-valuenow') >= {}"
_LINE = ".bm-live .bm-head"


class Camera:
    """Takes each picture twice, once in each theme.

    Attributes
    ----------
    taken
        The files that were written.
    """

    def __init__(self, page: LabPage, folder: Path) -> None:
        self._page = page
        self._folder = folder
        self.taken: list[Path] = []

    def take(self, name: str, notebook: Notebook, first: int, last: int) -> None:
        """Write ``<name>-light.png`` and ``<name>-dark.png``: the cells from `first` to `last`."""
        for theme in THEMES:
            self._page.use_theme(theme)
            path = self._folder / f"{name}-{theme}.png"
            path.write_bytes(_small(notebook.picture(first, last)))
            self.taken.append(path)
        self._page.use_theme(THEMES[0])


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the pictures and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where the pictures go")
    folder: Path = parser.parse_args(arguments).folder
    if lab_support.chromium() is None:
        parser.error("chromium is not installed; CHROMIUM may name another browser of its kind")
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="batchmagic-screenshots-") as place,
        lab_support.browser() as browser,
        lab_support.lab(Path(place).resolve(), browser) as lab,
        lab.page(width=1200, height=2400, scale=2) as page,
    ):
        page.page.set_default_timeout(_PATIENCE)
        camera = Camera(page, folder)
        views(page, camera, lab.project)
        quickstart(page, camera, lab.project)
    for path in camera.taken:
        print(f"{path.stat().st_size:8,}  {path}")  # noqa: T201
    large = [path.name for path in camera.taken if path.stat().st_size > LARGEST]
    if large:
        parser.error(f"larger than {LARGEST:,} bytes: {', '.join(large)}")
    return 0


def write_patients(folder: Path) -> None:
    """Write a file for each patient; a few hold a word where a number should be."""
    folder.mkdir(parents=True)
    for number in range(PATIENTS):
        pressure = "high" if number in BAD else str(110 + number % 50)
        age = 30 + number * 7 % 50
        (folder / f"patient-{number:04d}.csv").write_text(
            f"patient,age,pressure\n{number},{age},{pressure}\n"
        )


def views(page: LabPage, camera: Camera, project: Path) -> None:
    """Take the live view, the error of a failed job, and what is said of other things."""
    write_patients(project / "heart" / "patients")
    with page.notebook("heart/heart", CELLS) as notebook:
        notebook.run(LOAD, DEPLOY, INVOKE)
        page.page.wait_for_function(_PART.format(PATIENTS * 6 // 10))
        camera.take("live-view-running", notebook, INVOKE, INVOKE)
        page.page.locator(_LINE, has_text="Completed").wait_for()
        _wait_for_rest(page)
        camera.take("live-view-finished", notebook, INVOKE, INVOKE)
        page.page.get_by_role("tab", name="Errors").click()
        camera.take("live-view-errors", notebook, INVOKE, INVOKE)
        notebook.run(WAIT, fails=True)
        _wait_for_rest(page)
        camera.take("failed-job", notebook, WAIT, WAIT)
        notebook.run(OVERVIEW, JOBS, ENDPOINT, RESULT)
        camera.take("overview", notebook, OVERVIEW, OVERVIEW)
        camera.take("lists", notebook, JOBS, ENDPOINT)
        camera.take("result", notebook, RESULT, RESULT)


def quickstart(page: LabPage, camera: Camera, project: Path) -> None:
    """Take the quickstart after all its cells have run, in pictures that begin with a heading."""
    (project / "quickstart").mkdir()
    shutil.copy(QUICKSTART, project / "quickstart")
    cells = json.loads(QUICKSTART.read_text(encoding="utf-8"))["cells"]
    with page.notebook(f"quickstart/{QUICKSTART.stem}") as notebook:
        notebook.run_all()
        _wait_for_rest(page)
        for part, (first, last) in enumerate(_parts(cells), start=1):
            camera.take(f"quickstart-{part}", notebook, first, last)


def _wait_for_rest(page: LabPage) -> None:
    """Wait until every live view shows how its job ended, in all its parts."""
    page.page.locator(".bm-live p", has_text="the last").last.wait_for(state="hidden")


def _parts(cells: Sequence[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return the first and the last cell of each picture: about equally many, each from a heading on."""
    headings = [i for i, cell in enumerate(cells) if "".join(cell["source"]).startswith("#")]
    wanted = [len(cells) * part / _PICTURES for part in range(_PICTURES)]
    firsts = [min(headings, key=lambda i: abs(i - begin)) for begin in wanted]
    return [(first, after - 1) for first, after in zip(firsts, [*firsts[1:], len(cells)], strict=True)]


def _small(picture: bytes) -> bytes:
    """Return the picture with few colours, of which such pictures have few anyway."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(_COLOURS, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return small.getvalue()


if __name__ == "__main__":
    sys.exit(main())
