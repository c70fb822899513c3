"""The demo's story: train, register, deploy twice, invoke, look at what came of it, and see an error once."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.demo.folder import make_anew
from batchmagic.demo.screen import Screen
from batchmagic.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m batchmagic.demo",
        description="Train a classifier, deploy it twice to one endpoint, and score 400 files with each.",
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("demo-output"), help="where to work (default: demo-output)"
    )
    folder = parser.parse_args(arguments).folder.absolute()
    began, cwd = time.monotonic(), Path.cwd()
    screen = Screen()
    try:
        from batchmagic.demo.story import Story  # noqa: PLC0415 - `--help` does without

        make_anew(folder)
        # The demo must not find, nor write to, an MLflow store or a workspace of the user's.
        os.environ.pop("MLFLOW_TRACKING_URI", None)
        os.chdir(folder)
        Story(screen, folder, shown_from=cwd).tell()
    except UsageError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. What runs ends by itself; the next demo begins anew.\n")
        return _INTERRUPTED
    finally:
        os.chdir(cwd)
    screen.say()
    screen.say(f"Done in {time.monotonic() - began:.0f} s.", style="bold")
    return 0
