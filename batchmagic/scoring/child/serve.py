"""A scoring process: loads the user's code, then scores mini-batches, a frame for each."""

from __future__ import annotations

import atexit
import json
import sys
import traceback

# By name, as a script may replace what the modules offer (and tests of scripts do).
from os import _exit, getpid
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any, NoReturn

from . import isolate, shims, streams
from .encode import Encoder
from .failure import describe
from .frames import FrameError, FrameReader, pack, start_of
from .process import kibibytes
from .script import ScriptEntry

if TYPE_CHECKING:
    import socket

    from .encode import Encoded
    from .frames import Frame
    from .mlflow_scoring import MlflowEntry

#: Exit code of a scoring process that could not go on: what it stands on was broken, most likely by the script.
BROKEN = 70
_SMALL = 1 << 16
_json = json.JSONEncoder().encode
_UNTOLD = (
    '"status":"error","error":{"type":"Error","message":"the script broke what describes its errors",'
    '"traceback":null,"frame":null,"phase":"run"}'
)


def main(spec: dict[str, Any], data_fd: int, parent: int) -> NoReturn:
    """Be the scoring process that `spec` describes; never returns."""
    code = BROKEN
    try:
        data = isolate.take_socket(data_fd)
        isolate.leave_parent(parent)
        code = _live(spec, data)
    except (BrokenPipeError, ConnectionResetError):
        # The owner is gone; there is nobody to tell.
        code = 0
    except BaseException:  # noqa: BLE001 -- the last place where it can be told
        traceback.print_exc()
    finally:
        _flush()
        streams.drain()
        _exit(code)


def main_spawned(data_fd: int, spec_fd: int, parent: int) -> NoReturn:
    """Be the scoring process whose spec is in the file `spec_fd`."""
    with open(spec_fd, "rb") as file:
        file.seek(0)
        spec = json.load(file)
    main(spec, data_fd, parent)


class Line:
    """The connection to the owner. What it needs of the socket is taken before any user code runs."""

    def __init__(self, data: socket.socket) -> None:
        self._sendall = data.sendall
        self._reader = FrameReader(data)

    def read(self) -> Frame | None:
        """Return the next frame, None once the owner is gone."""
        return self._reader.read()

    def tell(self, header: dict[str, Any]) -> None:
        """Send a header."""
        self._sendall(pack(header))

    def tell_json(self, text: bytes, raw: bytes) -> None:
        """Send a header that is JSON already, with raw bytes, of which no copy is made if they are many."""
        start = start_of(text, len(raw))
        if len(raw) > _SMALL:
            self._sendall(start)
            self._sendall(raw)
        else:
            self._sendall(start + raw)


def _live(spec: dict[str, Any], data: socket.socket) -> int:
    started = perf_counter()
    baseline = _maxrss()
    line, me = Line(data), getpid()
    phase, entry = "import", None
    try:
        isolate.redirect(spec, data)
        isolate.set_surroundings(spec)
        isolate.forget_main()
        isolate.reseed()
        shims.install(spec)
        entry = _entry(spec)
        entry.load()
        phase = "init"
        entry.init()
    except BaseException as error:  # noqa: BLE001 -- also SystemExit: the owner gets it as text
        if getpid() != me:
            _leave(error)
        roots = entry.roots if entry is not None else (spec.get("code_dir") or "",)
        titles = entry.titles if entry is not None else None
        failed = {"op": "init", "ok": False, "error": describe(error, phase, roots=roots, titles=titles)}
        _flush()
        line.tell(failed)
        return 1
    if getpid() != me:
        _leave(None)
    _flush()
    seconds = round(perf_counter() - started, 6)
    ready = {"op": "init", "ok": True, "seconds": seconds, "maxrss": _maxrss(), "baseline": baseline}
    line.tell(ready)
    return Scorer(spec, line, entry).serve()


def _leave(error: BaseException | None) -> NoReturn:
    """End a process that user code forked and that has come back to us: nothing is its to report."""
    code = 0
    if isinstance(error, SystemExit):
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    elif error is not None:
        traceback.print_exception(type(error), error, error.__traceback__)
        code = 1
    _flush()
    _exit(code & 0xFF)


def _entry(spec: dict[str, Any]) -> ScriptEntry | MlflowEntry:
    if spec.get("script"):
        return ScriptEntry(spec)
    from .mlflow_scoring import MlflowEntry

    return MlflowEntry(spec)


class Scorer:
    """The loop of leases."""

    def __init__(self, spec: dict[str, Any], line: Line, entry: ScriptEntry | MlflowEntry) -> None:
        self._line = line
        self._entry = entry
        self._encoder = Encoder(
            output_format=spec.get("output_format") or "csv",
            summary_only=spec.get("output_action") == "summary_only",
            input_root=spec.get("input_root"),
        )
        self._pid = getpid()
        self._cpu = process_time()
        self._depth = max(1000, sys.getrecursionlimit())
        self._schemas: dict[Any, str] = {}
        self._phase = "run"

    def serve(self) -> int:
        """Do what the owner asks until it asks no more; return the exit code."""
        while True:
            try:
                frame = self._line.read()
            except FrameError:
                return BROKEN
            if frame is None:
                return 0
            op = frame.header.get("op")
            if op == "lease":
                self._lease(frame.header)
            elif op == "shutdown":
                self._shutdown()
                return 0

    def _lease(self, header: dict[str, Any]) -> None:
        until = perf_counter() + float(header.get("budget") or 0)
        bytes_left = int(header.get("max_bytes") or 0)
        done = 0
        for mini_batch, _part, files in header["members"]:
            if done and (perf_counter() > until or bytes_left < 0):
                break
            bytes_left -= self._member(done, files, mini_batch)
            done += 1
        self._line.tell({"op": "end", "done": done})

    def _member(self, k: int, files: list[str], mini_batch: int) -> int:
        """Score one mini-batch and send what came of it, before anything else begins."""
        started, cpu_before = perf_counter(), self._cpu
        raw = b""
        try:
            outcome, raw = self._outcome(files, mini_batch)
        except BaseException as raised:  # noqa: BLE001 -- whatever it is, it is one failed mini-batch
            if getpid() != self._pid:
                _leave(raised)
            try:
                outcome = self._failure(raised)
            except BaseException:  # noqa: BLE001 -- what looks on while we tell it, such as a trace function
                outcome = _UNTOLD
        if getpid() != self._pid:
            _leave(None)
        _flush()
        usage = getrusage(RUSAGE_SELF)
        self._cpu = usage.ru_utime + usage.ru_stime
        header = (
            f'{{"op":"done","k":{k},{outcome},"seconds":{perf_counter() - started:.6f},'
            f'"cpu":{self._cpu - cpu_before:.6f},"maxrss":{kibibytes(usage.ru_maxrss)}}}'
        )
        self._line.tell_json(header.encode(), raw)
        return len(raw)

    def _outcome(self, files: list[str], mini_batch: int) -> tuple[str, bytes]:
        """Return the middle of the header, and the rows, of a mini-batch that succeeds."""
        self._phase = "run"
        result = self._entry.run(files, mini_batch)
        self._phase = "encode"
        self._have_depth()
        encoded = self._encoder.encode(result, files)
        return self._success(encoded, self._entry.items(result, files)), encoded.raw

    def _failure(self, raised: BaseException) -> str:
        """Return the middle of the header of a mini-batch that has failed."""
        entry = self._entry
        self._have_depth()
        error = describe(
            raised, self._phase, roots=entry.roots, fallback=entry.run_function, titles=entry.titles
        )
        if entry.file is not None:
            error["file"], entry.file = entry.file, None
        return '"status":"error","error":' + _json(error)

    def _have_depth(self) -> None:
        """Have the recursion limit that we need; the script may have lowered it."""
        if sys.getrecursionlimit() < self._depth:
            sys.setrecursionlimit(self._depth)

    def _success(self, encoded: Encoded, items: int) -> str:
        """Return the middle of a header; columns repeat, and their JSON is kept."""
        key = (encoded.encoding, tuple(encoded.columns))
        schema = self._schemas.get(key)
        if schema is None:
            # A table whose columns change every time must not fill the memory.
            self._schemas.clear()
            schema = f'"encoding":{_json(encoded.encoding)},"columns":{_json(encoded.columns)}'
            self._schemas[key] = schema
        return f'"status":"ok","rows":{encoded.rows},"items":{items},{schema}'

    def _shutdown(self) -> None:
        try:
            self._entry.shutdown()
            # What libraries have registered to write out or to end at the end of the process.
            atexit._run_exitfuncs()  # noqa: SLF001 -- sys.exit would wait for threads that never end
        except BaseException:  # noqa: BLE001 -- all rows are safe by now; it goes to the script's own log
            traceback.print_exc()


def _maxrss() -> int:
    return kibibytes(getrusage(RUSAGE_SELF).ru_maxrss)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001, PERF203, S112 -- user code may have closed or replaced them
            continue
