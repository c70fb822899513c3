"""Files that a driver and its workers write, on a disk that fails at any of their writes, for real or in one call."""

from __future__ import annotations

import errno
import os
import zlib

import pytest
import small_disk

from batchmagic.errors import DiskError
from batchmagic.scoring import segments
from batchmagic.scoring.segments import SegmentWriter


@pytest.mark.parametrize("what", ["plan", "assembly", "ledger", "last_words"])
def test_with_every_number_of_free_pages(what, tmp_path, tally):
    seen = small_disk.run("disk_pages", what, mib=8, folder=tmp_path)
    assert seen["trials"] > 0
    for _ in range(seen["trials"]):
        tally.trial()


class FailingOs:
    """The module `os`, of which the n-th call of one function fails, once or from then on."""

    def __init__(self, function: str, n: int, number: int, *, persistent: bool) -> None:
        self._function, self._left, self._number, self._persistent = function, n, number, persistent
        self.struck = 0

    def __getattr__(self, name):
        found = getattr(os, name)
        if name != self._function:
            return found

        def call(*arguments):
            self._left -= 1
            if self._left == 0 or (self._left < 0 and self._persistent):
                self.struck += 1
                if self._function == "write" and self._left == 0:
                    os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise OSError(self._number, os.strerror(self._number))
            return found(*arguments)

        return call


def leases(folder):
    """Write the rows of leases as a slot does; return the places of those that it may name, and the errors."""
    writer = SegmentWriter(folder, "1-i0-0")
    named, errors = [], []
    for lease in range(6):
        places = []
        try:
            for member in range(3):
                rows = f"{lease} {member} ".encode() * (400_000 if (lease, member) == (2, 1) else 50)
                writer.begin()
                writer.write(rows)
                places.append((writer.end(), rows))
            writer.sync()
        except DiskError as error:
            errors.append(error)
        else:
            named += places
    writer.close()
    return named, errors


@pytest.mark.parametrize("persistent", [False, True], ids=["once", "from then on"])
@pytest.mark.parametrize(
    "fault",
    [
        ("write", errno.ENOSPC),
        ("write", errno.EIO),
        ("fdatasync", errno.EIO),
        ("fdatasync", errno.EDQUOT),
        ("open", errno.EACCES),
        ("open", errno.EROFS),
    ],
    ids=lambda fault: f"{fault[0]}-{errno.errorcode[fault[1]]}",
)
def test_a_slot_names_only_rows_that_are_on_the_disk(fault, persistent, tmp_path, monkeypatch, tally):
    function, number = fault
    monkeypatch.setattr(segments, "MAX_SEGMENT", 5000)
    n, struck = 1, True
    while struck:
        folder = tmp_path / str(n)
        folder.mkdir()
        failing = FailingOs(function, n, number, persistent=persistent)
        with monkeypatch.context() as inside:
            inside.setattr(segments, "os", failing)
            named, errors = leases(folder)
        for (name, offset, length, crc), rows in named:
            content = (folder / name).read_bytes()[offset : offset + length]
            assert (content, zlib.crc32(content)) == (rows, crc)
        struck = bool(failing.struck)
        assert bool(errors) is struck
        # Each fault costs its own lease and no other: what came before it is named, and so is what comes after.
        assert len(named) == 3 * (6 - len(errors))
        assert not struck or persistent or len(errors) == 1
        for error in errors:
            assert str(folder) in error.message
            assert os.strerror(number) in error.message
            assert "then resume" in error.hint
        tally.trial()
        n += 1
    assert n > 3
