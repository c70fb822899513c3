"""Where scoring processes begin: ``python scorer.py template FD``.

Runs under any Python from 3.8 on and imports only the standard library. The rest of it lives in
``child/``, which is loaded under a private name, so that user code finds nothing of ours by accident.
"""

from __future__ import annotations

import sys

_PACKAGE = "_batchmagic_scoring"


def _load() -> None:
    """Make ``child`` importable under the private name, and our folder nobody's search path.

    Python put our folder first on the path, where our `columns` would win over the user's.
    """
    folder = __file__.rpartition("/")[0] or "."
    if sys.path and sys.path[0] == folder:
        del sys.path[0]
    module = type(sys)(_PACKAGE)
    module.__path__ = [folder]
    sys.modules[_PACKAGE] = module


def main(arguments: list[str]) -> int:
    """Run as a template, or as a scoring process of its own where forking is not possible."""
    _load()
    import importlib

    if arguments[0] == "template":
        return int(importlib.import_module(_PACKAGE + ".child.template").main(int(arguments[1]), __file__))
    data_fd, spec_fd, parent = (int(a) for a in arguments[1:])
    importlib.import_module(_PACKAGE + ".child.serve").main_spawned(data_fd, spec_fd, parent)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
