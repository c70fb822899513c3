"""``python -m batchmagic.server``: the same as ``jupyter batchmagic``; with ``--detach`` as nobody's child."""

from __future__ import annotations

import os
import sys

_DETACH = "--detach"
_INTERRUPTED = 130


def main() -> int:
    """Serve, and return the exit code."""
    if _DETACH in sys.argv:
        sys.argv.remove(_DETACH)
        # Before anything is imported or any thread begun.
        if os.fork():
            os._exit(0)
        os.setsid()
    try:
        from batchmagic.server.app import main as serve  # noqa: PLC0415

        return serve()
    except KeyboardInterrupt:
        return _INTERRUPTED  # before it served: then it leaves in good order


if __name__ == "__main__":
    sys.exit(main())
