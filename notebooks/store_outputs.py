"""Runs the quickstart in an empty folder and stores it with its outputs (`make notebooks`)."""

from __future__ import annotations

import tempfile
from pathlib import Path

import nbformat

from batchmagic.demo.folder import end_computes, remove
from batchmagic.demo.notebook import QUICKSTART, execute


def main() -> None:
    """Have the quickstart's file hold what its cells give now, and nothing of this machine."""
    node = nbformat.read(QUICKSTART, as_version=4)
    folder = Path(tempfile.mkdtemp(prefix="batchmagic-")).resolve()
    try:
        execute(node, folder)
    finally:
        end_computes(folder)
        remove(folder)
    nbformat.write(node, QUICKSTART)


if __name__ == "__main__":
    main()
