"""Which way of SQLite works on the file system of a folder: asked of two processes, not of its name."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
import subprocess
import sys
import threading
from typing import IO, TYPE_CHECKING
from urllib.parse import quote

from batchmagic.errors import WorkspaceError

if TYPE_CHECKING:
    from pathlib import Path

_ANSWER_SECONDS = 20.0

# The second process: it answers each line that it is sent, needs no package, and ends with its input.
_PEER = """
import sqlite3, sys
c = sqlite3.connect(sys.argv[1], uri=True, timeout=0, isolation_level=None)
def attempt(sql):
    try:
        row = c.execute(sql).fetchone()
        return str(row[0]) if row else "done"
    except sqlite3.Error as error:
        return "refused" if "locked" in str(error) else "error"
for line in sys.stdin:
    print(attempt(line.strip()), flush=True)
"""


def journal_mode(folder: Path, *, vfs: str | None = None) -> str:
    """Return ``wal`` or ``delete``, whichever two processes were seen to share safely in `folder`.

    Parameters
    ----------
    folder
        Where the databases will be.
    vfs
        One of SQLite's own file layers to use instead of the default.

    Raises
    ------
    WorkspaceError
        If not even locks work there.
    """
    for mode in ("wal", "delete"):
        if _shared(folder, mode, vfs):
            return mode
    raise WorkspaceError(
        f"File locks do not work in {folder}, so a workspace there would be damaged.",
        target="workspace",
        hint="Set BATCHMAGIC_WORKSPACE to a folder on a local disk.",
    )


def _shared(folder: Path, mode: str, vfs: str | None) -> bool:
    path = folder / f".probe-{secrets.token_hex(4)}.db"
    address = f"file:{quote(str(path.absolute()))}?mode=rwc" + (f"&vfs={vfs}" if vfs else "")
    try:
        with contextlib.closing(sqlite3.connect(address, uri=True, timeout=0, isolation_level=None)) as here:
            if here.execute(f"PRAGMA journal_mode = {mode}").fetchone()[0] != mode:
                return False
            here.execute("CREATE TABLE probe (value INTEGER)")
            return _converse(here, address, mode)
    except sqlite3.Error:
        return False
    finally:
        for leftover in folder.glob(f"{path.name}*"):
            leftover.rmdir() if leftover.is_dir() else leftover.unlink(missing_ok=True)


def _converse(here: sqlite3.Connection, address: str, mode: str) -> bool:
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _PEER, address],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as peer:
        # A disk on which locks hang answers never.
        limit = threading.Timer(_ANSWER_SECONDS, peer.kill)
        limit.start()
        try:
            return _agree(here, peer, mode)
        except BrokenPipeError:
            return False
        finally:
            limit.cancel()
            peer.kill()


def _agree(here: sqlite3.Connection, peer: subprocess.Popen[str], mode: str) -> bool:
    def ask(sql: str) -> str:
        return _ask(peer.stdin, peer.stdout, sql)

    count = "SELECT count(*) FROM probe"
    if ask(count) != "0":
        return False
    here.execute("BEGIN IMMEDIATE")
    here.execute("INSERT INTO probe VALUES (1)")
    apart = ask("BEGIN IMMEDIATE") == "refused" and (mode != "wal" or ask(count) == "0")
    here.execute("COMMIT")
    together = ask(count) == "1" and ask("INSERT INTO probe VALUES (2)") == "done"
    return apart and together and here.execute(count).fetchone()[0] == 2  # noqa: PLR2004


def _ask(question: IO[str] | None, answer: IO[str] | None, sql: str) -> str:
    if question is None or answer is None:
        return "error"
    question.write(f"{sql}\n")
    question.flush()
    return answer.readline().strip()
