"""Whole jobs on a disk that is full: what `test_disk_full` runs in namespaces of its own (see `small_disk`)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from main_job_support import GATED, Lab, until
from oracle import examine
from small_disk import fill

from batchmagic.errors import DiskError

FILES = 40
ROW = 200_000
# It talks, as scripts do: what it says is lost on a full disk, and no reason to fail.
SIZED = GATED.replace("[os.path.basename(path)", "[os.path.basename(path) + '.' * {size}").replace(
    "    return", "    print('said ' * 2000, flush=True)\n    return"
)


def _private_workspace():
    """Return the shared fixture's context: by its path, as there is more than one conftest."""
    place = Path(__file__).parents[1] / "conftest.py"
    spec = importlib.util.spec_from_file_location("shared_conftest", place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.PrivateWorkspace


class Trouble:
    """A lab on a small disk, its data elsewhere, and a job that runs into the end of the disk."""

    def __init__(self, disk: Path, *, size: int, files: int = FILES) -> None:
        self.disk = disk
        self.place = _private_workspace()(disk / "workspace")
        self.lab = Lab(self.place)
        self.gate = self.lab.gate()
        source = self.gate.script(SIZED.replace("{size}", str(size)))
        self.lab.deploy("sized", source, mini_batch_size=1)
        self.files = files
        self.expected = "".join(f"{n:03d}.csv{'.' * size}\n" for n in range(files)).encode()

    def answer(self, name: str, filler: Path) -> dict[str, Any]:
        """Wait for the failure, make room, resume, and return what was seen."""
        lab = self.lab
        failed = lab.ended(name, 90)
        kept, epoch = failed.progress.completed, lab.holder().epoch
        attempts = lab.failed_attempts(name)
        committed = {f"{int(row['Mini-batch Id']):03d}.csv" for row in lab.attempts(name)}
        calls = len(self.gate.calls())
        filler.unlink()
        self.gate.open()
        lab.client.jobs.resume(name)
        found = examine(lab, lab.ended(name, 90).name, self.expected, user_failures=0)
        again = Counter(first for first, _ in self.gate.calls()[calls:])
        return {
            "status": str(failed.status),
            "detail": failed.status_detail,
            "error": failed.error,
            "kept": kept,
            "failed": failed.progress.failed,
            "attempts": len(attempts),
            "same_host": lab.holder().epoch == epoch,
            "redone": sorted(committed & set(again)),
            "problems": found.problems + ([] if found.ok else [str(found.counts())]),
        }

    def end(self) -> list[str]:
        """End the host and return what is left then."""
        self.lab.close()
        return self.place.end()


def while_rows_are_written(disk: Path) -> dict[str, Any]:
    """The spool needs 8 MB, and there are 5."""
    trouble = Trouble(disk, size=ROW)
    filler = fill(disk, left=5 << 20)
    trouble.gate.open()
    seen = trouble.answer(trouble.lab.invoke("sized", FILES), filler)
    return {**seen, "left": trouble.end()}


def while_the_output_is_assembled(disk: Path) -> dict[str, Any]:
    """There is room for the rows once, and not for the output as well."""
    trouble = Trouble(disk, size=ROW)
    filler = fill(disk, left=12 << 20)
    trouble.gate.open()
    name = trouble.lab.invoke("sized", FILES)
    seen = trouble.answer(name, filler)
    return {**seen, "left": trouble.end()}


def to_the_last_byte(disk: Path) -> dict[str, Any]:
    """The job is running, and from one moment to the next nothing at all can be written."""
    trouble = Trouble(disk, size=5)
    name = trouble.lab.invoke("sized", FILES)
    trouble.gate.open("000.csv", "001.csv")
    trouble.gate.wait_calls(4)
    until(lambda: trouble.lab.job(name).progress.completed == 2, of="two commits")
    filler = fill(disk)
    trouble.gate.open()
    seen = trouble.answer(name, filler)
    return {**seen, "left": trouble.end()}


def before_anything(disk: Path) -> dict[str, Any]:
    """A full disk refuses the invoke in one clear error, and nothing is left of it."""
    trouble = Trouble(disk, size=5)
    data = trouble.lab.data(FILES)
    filler = fill(disk)
    try:
        trouble.lab.invoke("sized", data)
    except DiskError as error:
        said = str(error)
    filler.unlink()
    jobs = [record.name for record in trouble.lab.client.session.read().jobs.list()]
    trouble.gate.open()
    name = trouble.lab.invoke("sized", data)
    found = examine(trouble.lab, trouble.lab.ended(name).name, trouble.expected)
    return {"said": said, "jobs": jobs, "problems": found.problems, "left": trouble.end()}


def read_only(disk: Path) -> dict[str, Any]:
    """A disk that can only be read: everything is refused in words that say so, and no byte is changed."""
    trouble = Trouble(disk, size=5)
    lab = trouble.lab
    trouble.gate.open()
    name = lab.run("sized", 4).name
    data = lab.data(4)
    left = trouble.end()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    words = {
        "invoke": ["invoke", "batch/sized", "--input", str(data)],
        "show": ["job", "show", name],
        "list": ["job", "list"],
    }
    command = [sys.executable, "-m", "batchmagic", "--workspace", str(lab.root)]
    said = {}
    for what, line in words.items():
        done = subprocess.run([*command, *line], check=False, capture_output=True, text=True, cwd="/")
        said[what] = [done.returncode, done.stdout, done.stderr]
    return {"said": said, "name": name, "left": left}
