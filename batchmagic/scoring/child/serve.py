"""A scoring process: loads the user's code, then scores mini-batches, a frame for each."""

from __future__ import annotations

import atexit
import json
import os
import resource
import sys
import time
import traceback
from typing import TYPE_CHECKING, Any, NoReturn, cast

from . import isolate, shims
from .encode import Encoder
from .failure import describe
from .frames import FrameError, FrameReader, pack_json, send
from .process import kibibytes
from .script import ScriptEntry

if TYPE_CHECKING:
    import socket

    from .encode import Encoded
    from .mlflow_scoring import MlflowEntry

#: Exit code of a scoring process that could not go on for a reason of ours.
BROKEN = 70


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
        os._exit(code)


def main_spawned(data_fd: int, spec_fd: int, parent: int) -> NoReturn:
    """Be the scoring process whose spec is in the file `spec_fd`."""
    with open(spec_fd, "rb") as file:
        file.seek(0)
        spec = json.load(file)
    main(spec, data_fd, parent)


def _live(spec: dict[str, Any], data: socket.socket) -> int:
    started = time.perf_counter()
    baseline = _maxrss()
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
        roots = entry.roots if entry is not None else (spec.get("code_dir") or "",)
        titles = entry.titles if entry is not None else None
        failed = {"op": "init", "ok": False, "error": describe(error, phase, roots=roots, titles=titles)}
        _flush()
        send(data, failed)
        return 1
    _flush()
    seconds = round(time.perf_counter() - started, 6)
    ready = {"op": "init", "ok": True, "seconds": seconds, "maxrss": _maxrss(), "baseline": baseline}
    send(data, ready)
    return Scorer(spec, data, entry).serve()


def _entry(spec: dict[str, Any]) -> ScriptEntry | MlflowEntry:
    if spec.get("script"):
        return ScriptEntry(spec)
    from .mlflow_scoring import MlflowEntry

    return MlflowEntry(spec)


class Scorer:
    """The loop of leases."""

    def __init__(self, spec: dict[str, Any], data: socket.socket, entry: ScriptEntry | MlflowEntry) -> None:
        self._data = data
        self._entry = entry
        self._encoder = Encoder(
            output_format=spec.get("output_format") or "csv",
            summary_only=spec.get("output_action") == "summary_only",
            input_root=spec.get("input_root"),
        )
        self._pid = os.getpid()
        self._cpu = time.process_time()
        self._schemas: dict[Any, str] = {}

    def serve(self) -> int:
        """Do what the owner asks until it asks no more; return the exit code."""
        reader = FrameReader(self._data)
        while True:
            try:
                frame = reader.read()
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
        until = time.perf_counter() + float(header.get("budget") or 0)
        bytes_left = int(header.get("max_bytes") or 0)
        done = 0
        for _mini_batch, _part, files in header["members"]:
            if done and (time.perf_counter() > until or bytes_left < 0):
                break
            bytes_left -= self._member(done, files)
            done += 1
        send(self._data, {"op": "end", "done": done})

    def _member(self, k: int, files: list[str]) -> int:
        """Score one mini-batch and send what came of it, before anything else begins."""
        started, cpu_before = time.perf_counter(), self._cpu
        phase, error, raw = "run", None, b""
        try:
            result = self._entry.run(files)
            phase = "encode"
            encoded = self._encoder.encode(result, files)
            raw = encoded.raw
            outcome = self._success(encoded, self._entry.items(result, files))
        except BaseException as raised:  # noqa: BLE001 -- whatever it is, it is one failed mini-batch
            run = cast("Any", self._entry.run_function)
            error = describe(raised, phase, roots=self._entry.roots, fallback=run, titles=self._entry.titles)
            if self._entry.file is not None:
                error["file"], self._entry.file = self._entry.file, None
            outcome = '"status":"error","error":' + json.dumps(error)
        if os.getpid() != self._pid:
            # A process that user code forked has come back from run(); the mini-batch is not its to report.
            os._exit(0)
        _flush()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self._cpu = usage.ru_utime + usage.ru_stime
        header = (
            f'{{"op":"done","k":{k},{outcome},"seconds":{time.perf_counter() - started:.6f},'
            f'"cpu":{self._cpu - cpu_before:.6f},"maxrss":{kibibytes(usage.ru_maxrss)}}}'
        )
        self._data.sendall(pack_json(header.encode(), raw))
        return len(raw)

    def _success(self, encoded: Encoded, items: int) -> str:
        """Return the middle of a header; columns repeat, and their JSON is kept."""
        key = (encoded.encoding, tuple(encoded.columns))
        schema = self._schemas.get(key)
        if schema is None:
            # A table whose columns change every time must not fill the memory.
            self._schemas.clear()
            schema = f'"encoding":{json.dumps(encoded.encoding)},"columns":{json.dumps(encoded.columns)}'
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
    return kibibytes(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, PERF203, S112 -- user code may have closed or replaced them
            continue
