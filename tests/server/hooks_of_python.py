"""What a server process opens, makes, removes, connects to and unpickles: told by Python's own audit hook."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import batchmagic

if TYPE_CHECKING:
    from server_support import Server, World

HOOK = """
import json, os, sys

if any("batchmagic.server" in text for text in sys.orig_argv):
    FILES = {"open", "os.listdir", "os.scandir", "os.mkdir", "os.remove", "os.rmdir", "os.rename", "os.link",
             "os.symlink", "os.truncate", "os.chmod", "os.chown", "os.utime", "shutil.rmtree", "shutil.copyfile",
             "shutil.copytree", "shutil.move", "shutil.unpack_archive", "sqlite3.connect", "glob.glob"}
    OTHERS = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "urllib.Request",
              "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "pickle.find_class", "exec.marshal",
              "ctypes.dlopen"}
    LOG = os.open(os.environ["HOOKS_OF_PYTHON"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(event, arguments):
        if event in FILES or event in OTHERS:
            paths = [os.fspath(a) for a in arguments[:2] if isinstance(a, (str, bytes, os.PathLike))]
            shown = [os.fsdecode(path) for path in paths] if event in FILES else [repr(a) for a in arguments]
            os.write(LOG, (json.dumps([event, shown]) + "\\n").encode())

    sys.addaudithook(note)
"""
# What any Python program reads, and the state of the processes that have a claim.
_SYSTEM = re.compile(
    r"/dev/(urandom|null)|/proc/(self|\d+)/stat|/proc/(stat|meminfo)|/etc/localtime|/usr/share/zoneinfo/.*"
)


class Hooks:
    """The notes of one server.

    Parameters
    ----------
    folder
        A new one, for the hook and its notes.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "sitecustomize.py").write_text(HOOK)
        self._file = folder / "events"
        self.environment = {"PYTHONPATH": str(folder), "HOOKS_OF_PYTHON": str(self._file)}
        self._seen = 0

    def new(self) -> list[tuple[str, list[str]]]:
        """Return what happened since this was asked last, each once."""
        with self._file.open("rb") as file:
            file.seek(self._seen)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self._seen += len(whole)
        return [tuple(json.loads(line)) for line in dict.fromkeys(whole.splitlines())]


def outside(events: list[tuple[str, list[str]]], world: World, server: Server) -> list[tuple[str, list[str]]]:
    """Return the events with files that are neither the workspace's, nor declared, nor Python's own."""
    package = Path(batchmagic.__file__).resolve().parents[1]
    homes = [world.lab.root, server.folder, world.inputs, package, Path(sys.prefix), Path(sys.base_prefix)]
    return [event for event in events if event[0] in _of_files(events) and not _is_inside(event[1], homes)]


def _of_files(events: list[tuple[str, list[str]]]) -> set[str]:
    return {
        name
        for name, _ in events
        if not name.startswith(("socket", "pickle", "urllib", "subprocess", "exec", "ctypes"))
    }


def _is_inside(paths: list[str], homes: list[Path]) -> bool:
    def known(text: str) -> bool:
        path = text.removeprefix("file:").partition("?mode=")[0]  # as SQLite is given it
        real = os.path.realpath(path)
        return bool(_SYSTEM.fullmatch(path)) or any(
            Path(real).is_relative_to(home.resolve()) for home in homes
        )

    return all(known(path) for path in paths if path != ":memory:")
