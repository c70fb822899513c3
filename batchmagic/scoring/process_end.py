"""Why a scoring process did not report: what it left behind, as an error that people can read."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.scoring.child.failure import retitled
from batchmagic.scoring.child.serve import BROKEN
from batchmagic.words import size_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchmagic.scoring.channel import Exited, TimedOut

_TAIL = 4096
_MAX_TEXT = 40_000
_MAX_NAME = 200
_NAMED_FILES = 3
_FRAME_LINE = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


class ProcessEnd:
    """What the processes of one slot leave: their standard error, the dump of their stacks, the kernel's counters.

    Parameters
    ----------
    child
        The specification of the scoring process.
    code_dir
        Folder of the script; a line in it is the user's.
    """

    def __init__(self, child: Mapping[str, Any], code_dir: str | None) -> None:
        self._stderr, self._dump = Path(child["stderr"]), Path(child["dump_file"])
        self._code_dir = code_dir
        #: What errors call the script, by its path, where that is not its path.
        self._titles = {child["script"]: child["script_title"]} if child.get("script_title") else {}
        self.begin()

    def begin(self) -> None:
        """Take what is there now as not of the process that begins."""
        self._stderr_start, self._dump_start = _size(self._stderr), _size(self._dump)
        self._oom_kills = oom_kills()

    def timeout(self, phase: str, reason: str) -> dict[str, Any]:
        """Return the error of a process that was ended at its deadline, after it wrote where it stood."""
        return {"type": "Timeout", "message": reason, "phase": phase, **self._stood_at(self._dumped())}

    def too_big(self, phase: str, used: int, limit: int) -> dict[str, Any]:
        """Return the error of a process that was ended because it used `used` bytes of the `limit` it has."""
        message = (
            "the scoring process used more memory than memory_per_slot allows "
            f"({size_text(used)} of {size_text(limit)})"
        )
        return {"type": "OutOfMemory", "message": message, "phase": phase, **self._stood_at(self._dumped())}

    def death(self, message: Exited | TimedOut, phase: str) -> dict[str, Any]:
        """Return the error of a process that ended by itself or was killed."""
        error = describe_death(message, lacked_memory=self._lacked_memory)
        tail = _read_from(self._stderr, self._stderr_start)[-_TAIL:].strip()
        dump = self._dumped()
        # The dump is what Python wrote when the signal came; a script may have sent it to its own stderr.
        found = self._stood_at(dump if "File " in dump else tail)
        said = [part for part in (found["traceback"] if dump else None, retitled(tail, self._titles)) if part]
        return {**error, "phase": phase, "frame": found["frame"], "traceback": "\n".join(said) or None}

    @property
    def _lacked_memory(self) -> bool | None:
        return oom_kills() != self._oom_kills if self._oom_kills >= 0 else None

    def _dumped(self) -> str:
        return _read_from(self._dump, self._dump_start)

    def _stood_at(self, dump: str) -> dict[str, Any]:
        found = (_FRAME_LINE.search(line) for line in dump.splitlines())
        frames = [{**m.groupdict(), "file": _unescaped(m["file"])} for m in found if m]
        code = self._code_dir
        mine = next((f for f in frames if code and f["file"].startswith(code)), frames[0] if frames else None)
        if mine is None:
            return {"traceback": dump or None, "frame": None}
        place = [self._titles.get(mine["file"], mine["file"]), int(mine["line"]), mine["function"]]
        return {
            "traceback": "the script stood at (innermost call first):\n" + retitled(dump, self._titles),
            "frame": [*place, _source_line(mine["file"], int(mine["line"]))],
        }


def describe_death(message: Exited | TimedOut, *, lacked_memory: bool | None) -> dict[str, str]:
    """Return type and message for a process that is gone.

    Parameters
    ----------
    lacked_memory
        Whether the kernel has killed anything for lack of memory meanwhile; None where it does not tell.
    """
    status = getattr(message, "status", None)
    if status is None:
        return {"type": "Crashed", "message": "the scoring process was lost together with its template"}
    if getattr(message, "hung_up", False) and status == signal.SIGKILL:
        text = "the scoring process closed its connection (as os.closerange does) and was ended"
        return {"type": "Disconnected", "message": text}
    if not os.WIFSIGNALED(status):
        return _describe_exit(os.WEXITSTATUS(status))
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number != signal.SIGKILL:
        return {"type": f"Crashed({name})", "message": f"the scoring process crashed with {name}"}
    peak = f"; at its peak it used {size_text(getattr(message, 'max_rss', 0) * 1024)} of memory"
    if lacked_memory is False:
        text = (
            "the scoring process was killed (SIGKILL) by somebody, and not by the kernel for lack of memory"
        )
        return {"type": f"Crashed({name})", "message": text + peak}
    text = "the scoring process was killed (SIGKILL), as the kernel does when memory runs out"
    return {"type": "OutOfMemory", "message": text + peak}


def _describe_exit(code: int) -> dict[str, str]:
    text = f"the scoring process ended by itself with exit code {code}"
    if code == BROKEN:
        text += ": something that it stands on was closed or replaced, most likely by the script"
    return {"type": f"Exited({code})", "message": text}


def oom_kills() -> int:
    """Return how many processes the kernel has killed for lack of memory since it started; -1 if it does not tell."""
    try:
        text = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return -1
    found = re.search(r"^oom_kill (\d+)$", text, re.MULTILINE)
    return int(found[1]) if found else -1


def is_lack_of_memory(error: Mapping[str, Any]) -> bool:
    """Whether an error that the script raised, or that ended its process, is one of memory."""
    kind = str(error.get("type"))
    return kind in {"OutOfMemory", "MemoryError"} or kind.endswith("ArrayMemoryError")


def with_files(error: dict[str, Any], files: Sequence[str]) -> dict[str, Any]:
    """Return an error of memory that says with which files it came, and what helps."""
    names = [os.path.basename(file) for file in files[:_NAMED_FILES]]  # noqa: PTH119 -- of names that may be no text
    more = f" and {len(files) - len(names)} more" if len(files) > len(names) else ""
    helps = "; a smaller mini_batch_size may need less" if len(files) > 1 else ""
    message = f"{error['message']}, with {', '.join(names)}{more}{helps}"
    return tidy({**error, "message": message})


def tidy(error: object) -> dict[str, Any]:
    """Return an error as database, logs and views can hold it: of text, within bounds, that UTF-8 can write."""
    given = error if isinstance(error, dict) else {}
    frame = given.get("frame")
    tidied: dict[str, Any] = {
        "type": _text(given.get("type") or "Error", _MAX_NAME),
        "message": _text(given.get("message") or "", _MAX_TEXT),
        "traceback": _text(given["traceback"], _MAX_TEXT) if given.get("traceback") else None,
        "frame": _tidy_frame(frame) if isinstance(frame, list) and len(frame) == 4 else None,  # noqa: PLR2004
        "phase": _text(given.get("phase") or "run", _MAX_NAME),
    }
    if given.get("file"):
        tidied["file"] = given["file"]
    return tidied


def _tidy_frame(frame: list[Any]) -> list[Any]:
    file, line, function, source = frame
    number = line if isinstance(line, int) else 0
    return [_text(file, _TAIL), number, _text(function, _MAX_NAME), _text(source, _TAIL)]


def _text(value: object, limit: int) -> str:
    text = str(value)[:limit].replace("\0", "\\x00")
    return text.encode("utf-8", "backslashreplace").decode()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_from(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(start, _size(path) - 16 * _TAIL))
            return file.read(16 * _TAIL).decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _unescaped(name: str) -> str:
    """Return a file's name from a dump, where what is not ASCII stands as an escape."""
    return _ESCAPE.sub(lambda found: chr(int(found[found.lastindex or 0], 16)), name)


def _source_line(file: str, line: int) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[line - 1].strip()
    except (OSError, IndexError):
        return ""
