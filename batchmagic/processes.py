"""How a process of this package is started: the same interpreter, whatever the working directory."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import sysconfig
import threading
from pathlib import Path


def python_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs `module` in this interpreter.

    The working directory is not on the new process's path, so that no file there can stand in for
    a module; give it `python_environment`.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


class PackageCopy:
    """A copy of this package, as it is now, so that processes which start after an upgrade are like this one.

    It is made beside other work, at once.

    Parameters
    ----------
    folder
        Where it shall be; made here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()
        self._is_whole = False
        self._early = threading.Thread(target=self._make_early, name="package-copy", daemon=True)
        self._early.start()

    def root(self) -> Path:
        """Return the folder to give to `python_environment`, as soon as the copy is whole.

        Raises
        ------
        OSError
            If it cannot be written; the next call tries again.
        """
        with self._turn:
            if not self._is_whole:
                shutil.rmtree(self._folder, ignore_errors=True)
                shutil.copytree(Path(__file__).resolve().parent, self._folder / __package__)
                self._is_whole = True
        return self._folder

    def remove(self) -> None:
        """Remove the copy; nothing writes to it any more, and `root` is not to be called again."""
        self._early.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make_early(self) -> None:
        with contextlib.suppress(OSError):  # whoever needs it is told
            self.root()


def python_environment(root: Path | None = None) -> dict[str, str]:
    """Return this process's variables, with which a new process finds this package from any directory.

    Parameters
    ----------
    root
        Where it shall find the package instead, which then wins over one that is installed.
    """
    paths = [os.path.abspath(p) for p in os.environ.get("PYTHONPATH", "").split(os.pathsep) if p]  # noqa: PTH100
    own = str(Path(__file__).resolve().parent.parent)
    if root is not None:
        paths.insert(0, str(root))
    # What is installed is found anyway; a checkout may have been found by the working directory only.
    elif own not in paths and own not in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        paths.append(own)
    variables = dict(os.environ)
    if paths:
        variables["PYTHONPATH"] = os.pathsep.join(paths)
    return variables
