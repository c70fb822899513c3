"""Which journal works: SQLite's own file layers stand for file systems without shared memory or locks."""

from __future__ import annotations

import pytest

from batchmagic.errors import WorkspaceError
from batchmagic.workspace.probe import journal_mode


def test_an_ordinary_disk_gets_the_write_ahead_log(tmp_path):
    assert journal_mode(tmp_path) == "wal"
    assert list(tmp_path.iterdir()) == []


def test_without_shared_memory_the_rollback_journal_is_used(tmp_path):
    assert journal_mode(tmp_path, vfs="unix-dotfile") == "delete"
    assert list(tmp_path.iterdir()) == []


def test_without_locks_it_is_refused(tmp_path):
    with pytest.raises(WorkspaceError, match="locks do not work") as caught:
        journal_mode(tmp_path, vfs="unix-none")
    assert "BATCHMAGIC_WORKSPACE" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
