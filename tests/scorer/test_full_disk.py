"""What a script says is lost where its log cannot be written, and is no reason for it to fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from owner import Owner

SCRIPT = """
import logging, sys
from azureml_user.parallel_run import EntryScript

def init():
    print("init " * 1000)

def run(mini_batch):
    print("said " * 5000, flush=True)
    sys.stdout.write("begun")
    sys.stderr.write("also " * 5000)
    sys.stdout.flush()
    logging.getLogger("own").warning("logged " * 5000)
    EntryScript().logger.info("logged " * 5000)
    return mini_batch
"""


@pytest.mark.parametrize("spawn", [False, True])
def test_a_script_that_talks_on_a_full_disk(owner: Owner, spawn):
    full = "/dev/full"
    process = owner.ready(SCRIPT, stdout=full, stderr=full, entry_log=full, spawn=spawn)
    for _ in range(3):
        frame = process.one("/a", "/b")
        assert frame.header["status"] == "ok", frame.header
        assert frame.raw == b"a\nb\n" or b"/a" in frame.raw
    assert process.shutdown() == 0
