"""A file layer for SQLite in this process that records what reaches the disk, and fails when it is told to.

It is SQLite's own, with the functions that write put behind ours. Only for a process of its own: it becomes the default.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p, cast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

OK, FULL, IOERR_WRITE, IOERR_FSYNC, IOERR_TRUNCATE = 0, 13, 778, 1034, 1546

_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
# Names are passed on as they are: SQLite keeps the address, and what follows the name belongs to it.
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_DELETE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_METHODS = [
    "close",
    "read",
    "write",
    "truncate",
    "sync",
    "file_size",
    "lock",
    "unlock",
    "check_reserved_lock",
    "file_control",
    "sector_size",
    "device_characteristics",
    "shm_map",
    "shm_lock",
    "shm_barrier",
    "shm_unmap",
    "fetch",
    "unfetch",
]


class _IoMethods(Structure):
    _fields_ = [("version", c_int), *((name, c_void_p) for name in _METHODS)]


class _File(Structure):
    _fields_ = [("methods", POINTER(_IoMethods))]


class _Vfs(Structure):
    _fields_ = [
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", _OPEN),
        ("delete", _DELETE),
        ("rest", c_void_p * 16),
    ]


_REGISTERED: list[Disk] = []  # SQLite has their addresses


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done to a file: ``write``, ``truncate``, ``sync`` or ``delete``."""

    kind: str
    path: str
    offset: int = 0
    data: bytes = b""


class Disk:
    """Sees every act before it happens; `judge` returns an error code to have it fail."""

    def __init__(self, judge: Callable[[Act], int] = lambda _act: OK) -> None:
        self.judge = judge
        self._paths: dict[int, str] = {}
        self._kept: list[object] = []
        self._tables: dict[int, _IoMethods] = {}
        library = _library()
        library.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self._base = library.sqlite3_vfs_find(None)
        vfs = _Vfs.from_buffer_copy(self._base.contents)
        vfs.name = b"seen"
        vfs.open, vfs.delete = _OPEN(self._open), _DELETE(self._delete)
        self._kept += [vfs, vfs.open, vfs.delete]
        _REGISTERED.append(self)
        assert library.sqlite3_vfs_register(ctypes.byref(vfs), 1) == OK

    def _open(self, _vfs, name, file, flags, out):
        code = self._base.contents.open(cast(self._base, c_void_p), name, file, flags, out)
        own = cast(file, POINTER(_File)).contents
        if code == OK and own.methods:
            self._paths[file] = _text(name)
            address = ctypes.addressof(own.methods.contents)
            own.methods = ctypes.pointer(self._table(address))
        return code

    def _table(self, address: int) -> _IoMethods:
        """Return the file methods at `address` with ours in the place of those that write."""
        if address not in self._tables:
            original = _IoMethods.from_address(address)
            table = _IoMethods.from_buffer_copy(original)
            ours = {
                "write": _WRITE(self._write(_WRITE(original.write))),
                "truncate": _TRUNCATE(self._truncate(_TRUNCATE(original.truncate))),
                "sync": _SYNC(self._sync(_SYNC(original.sync))),
                "close": _CLOSE(self._close(_CLOSE(original.close))),
            }
            for name, function in ours.items():
                setattr(table, name, cast(function, c_void_p))
            self._kept += ours.values()
            self._tables[address] = table
        return self._tables[address]

    def _write(self, original):
        def write(file, data, length, offset):
            code = self.judge(Act("write", self._paths[file], offset, ctypes.string_at(data, length)))
            return code or original(file, data, length, offset)

        return write

    def _truncate(self, original):
        def truncate(file, size):
            return self.judge(Act("truncate", self._paths[file], size)) or original(file, size)

        return truncate

    def _sync(self, original):
        def sync(file, flags):
            return self.judge(Act("sync", self._paths[file])) or original(file, flags)

        return sync

    def _close(self, original):
        def close(file):
            self._paths.pop(file, None)
            return original(file)

        return close

    def _delete(self, _vfs, name, sync_folder):
        code = self.judge(Act("delete", _text(name)))
        return code or self._base.contents.delete(cast(self._base, c_void_p), name, sync_folder)


def _text(name: int | None) -> str:
    return os.fsdecode(ctypes.string_at(name)) if name else ""


def _library() -> ctypes.CDLL:
    """Return the library that Python's own module uses."""
    import sqlite3  # noqa: F401, PLC0415 - loads it

    with Path("/proc/self/maps").open() as maps:
        paths = {line.split()[-1] for line in maps if "libsqlite3" in line}
    assert paths, "Python has SQLite built in"
    return ctypes.CDLL(paths.pop())
