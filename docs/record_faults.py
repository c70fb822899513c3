"""Puts the table of a nightly fault run into docs/reliability.md."""  # noqa: INP001 -- a script

from __future__ import annotations

import argparse
import datetime as dt
import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

BEGIN = "<!-- the last nightly run -->"
END = "<!-- its end -->"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the table, write it into the page, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path, help="what `make fault-nightly` printed last")
    parser.add_argument("page", type=Path, help="the page with the marks between which it belongs")
    options = parser.parse_args(arguments)
    page = options.page.read_text(encoding="utf-8")
    when = dt.datetime.fromtimestamp(options.table.stat().st_mtime, dt.UTC)
    options.page.write_text(
        with_table(page, options.table.read_text(encoding="utf-8"), when), encoding="utf-8"
    )
    return 0


def with_table(page: str, table: str, when: dt.datetime) -> str:
    """Return the page with this table in the place of its last one."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    machine = f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    words = f"`make fault-nightly` on {when:%Y-%m-%d} ({machine}):"
    return f"{before}{BEGIN}\n\n{words}\n\n{table.strip()}\n\n{END}{after}"


if __name__ == "__main__":
    sys.exit(main())
