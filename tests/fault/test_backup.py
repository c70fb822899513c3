"""A backup that is taken while jobs run: unpacked elsewhere it goes on to the same bytes, and it tells no secret."""

from __future__ import annotations

import os
import random
import resource
import shutil
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from main_job_support import COMPUTE, ENDPOINT, PLAIN, Lab, until
from oracle import _damage, examine

from batchmagic import MLClient
from batchmagic.entities import BatchDeployment
from batchmagic.errors import ResourceExistsError, StoreCorrupted, ValidationException
from batchmagic.scoring.spool_end import is_retired
from batchmagic.workspace import backup as backups
from batchmagic.workspace.backup import backup
from batchmagic.workspace.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CANARY = "canary-7c1f0b9e-do-not-tell"

SLOW = """
import os, time

def run(mini_batch):
    time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
"""


class Restored(Lab):
    """A backup, unpacked as the documentation says."""

    def __init__(self, lab: Lab, file: Path) -> None:
        folder = lab.new_folder("restored")
        folder.mkdir()
        subprocess.run(["tar", "-xf", file, "-C", folder], check=True)
        self.root = folder / ".batchmagic"
        self.place = type(lab.place)(self.root)
        self.folder = lab.folder
        self.client = MLClient(folder)
        self.client.session.tell = lambda line: None
        self._count = 1000

    def look(self) -> None:
        self.client.jobs.list()

    def commits(self, name: str) -> list:
        if not (self.root / "jobs" / name / "ledger.db").exists():
            return []
        ledger = Ledger.open(self.root / "jobs" / name, readonly=True)
        try:
            return list(ledger.iter_commits())
        finally:
            ledger.close()


@pytest.fixture
def unpack(new_lab) -> Iterator[Callable[[Path], Restored]]:
    found: list[Restored] = []

    def unpacked(file: Path) -> Restored:
        found.append(Restored(new_lab, file))
        return found[-1]

    yield unpacked
    for one in found:
        one.close()
        assert not one.place.end()


def take(lab: Lab, name: str = "backup.tar", **options) -> Path:
    return backup(lab.client.session.read(), lab.folder / name, **options).file


def test_a_backup_of_any_moment_goes_on_to_the_same_bytes(new_lab, unpack, tally, tier):
    lab = new_lab
    lab.deploy("slow", SLOW, mini_batch_size=1)
    files, moments = (150, 1) if tier == "push" else (2000, 25)
    name = lab.invoke("slow", files)
    chance = random.Random()
    marks = sorted(chance.sample(range(files), moments))
    made = []
    for number, mark in enumerate(marks):
        until(lambda at=mark: lab.job(name).progress.completed >= at, of=f"{mark} mini-batches")
        made.append(take(lab, f"{number}.tar{'.gz' if number % 2 else ''}"))
    lab.ended(name)
    expected = lab.output(name)
    made.append(take(lab, "last.tar"))

    for file in made:
        there = unpack(file)
        done = there.commits(name)
        status = there.status(name)
        folder = there.root / "jobs" / name
        if status != "Completed" and not is_retired(folder):
            assert not _damage(folder / "spool", done), file
        assert there.job(name).progress.completed <= len(done)
        there.look()
        there.ended(name)
        found = examine(there, name, expected, user_failures=0)
        tally.trial(**found.counts())
        assert found.ok, (file, status, len(done), found)
        # What the copy had is what was done; nothing of it was done again.
        after = {(c.mini_batch, c.part): c.place for c in there.commits(name)}
        assert all(after[c.mini_batch, c.part] == c.place for c in done), file
        assert len(there.client.jobs.result(name)) == files
        assert not there.place.end()
    assert str(lab.job(name).status) == "Completed"


@pytest.mark.slow
def test_a_job_that_ends_while_it_is_copied_is_copied_again(new_lab, unpack, monkeypatch):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    name = lab.invoke("gated", 4)
    gate.wait_calls(2)
    gate.open("000.csv", "001.csv")
    until(lambda: lab.job(name).progress.completed == 2, of="two committed mini-batches")
    real, looks = backups.segment_ends, []

    def after_the_end(copy: Path) -> dict[str, int]:
        found = real(copy)
        if not looks:
            # The ledger is copied; before its segments are, the job ends and removes them.
            gate.open()
            lab.ended(name)
            until(lambda: not (lab.root / "jobs" / name / "spool").exists(), of="the end of the spool")
        looks.append(found)
        return found

    monkeypatch.setattr(backups, "segment_ends", after_the_end)
    made = backup(lab.client.session.read(), lab.folder / "backup.tar")
    assert (made.notes, made.jobs) == ((), 1)
    assert len(looks) == 2
    there = unpack(made.file)
    assert there.status(name) == "Completed"
    assert there.output(name) == lab.output(name)
    assert len(there.client.jobs.result(name)) == 4
    assert len(there.commits(name)) == 4


@pytest.mark.slow
def test_a_job_that_is_deleted_or_invoked_meanwhile_does_no_harm(new_lab, unpack, monkeypatch):
    lab = new_lab
    lab.deploy("plain", PLAIN)
    first, second = lab.run("plain", 3).name, lab.run("plain", 4).name
    real, seen = backups._Run._take_job, []

    def meanwhile(self, name, status):
        if not seen:
            lab.client.jobs.delete(first)
            seen.append(lab.run("plain", 2).name)
        real(self, name, status)

    monkeypatch.setattr(backups._Run, "_take_job", meanwhile)
    there = unpack(take(lab))
    names = {job.name for job in there.client.jobs.list()}
    assert second in names
    assert first not in names
    assert names <= {second, *seen}
    for name in names:
        assert there.output(name) == lab.output(name)


@pytest.mark.slow
def test_no_secret_is_in_it_and_a_resume_without_one_is_refused(new_lab, unpack):
    lab = new_lab
    gate = lab.gate()
    code = lab.new_folder("code")
    code.mkdir()
    needs = gate.script().replace("def run", "SECRET = os.environ['CANARY']\n\ndef run")
    (code / "score.py").write_text(needs)
    deployment = BatchDeployment(
        name="secretive", endpoint_name=ENDPOINT, code_path=str(code), scoring_script="score.py", compute=COMPUTE,
        mini_batch_size=1, max_concurrency_per_instance=2, environment_variables={"CANARY": CANARY},
    )  # fmt: skip
    lab.client.batch_deployments.begin_create_or_update(deployment).result()
    name = lab.invoke("secretive", 4)
    gate.wait_calls(2)
    assert any(CANARY in path.read_text() for path in (lab.root / "secrets").iterdir())
    file = take(lab)
    gate.open()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    there = unpack(file)
    held = [path for path in there.root.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert held == []
    # Nor what only the original's processes are, and what lets into its cluster.
    left = {path.name for path in there.root.rglob("*")}
    assert left.isdisjoint(
        {"secrets", "tls", "supervisor.json", "launch.lock", "scratch", "work", "ca.pem", "key.pem"}
    )
    assert there.client.session.read().claims.holder(f"compute/{COMPUTE}") is None
    assert [d.name for d in there.client.batch_deployments.list(ENDPOINT)] == ["secretive"]

    # The job would run without its variable, and to another end: it is refused, and the way out works.
    there.look()
    job = there.ended(name)
    assert str(job.status) == "Failed"
    assert "The values of CANARY, variables of job" in job.error["message"]
    with pytest.raises(ValidationException, match=r"environment_variables\.CANARY"):
        there.invoke("secretive", 2)
    there.client.batch_deployments.begin_create_or_update(deployment).result()
    there.client.jobs.resume(name, deployment_version="latest")
    assert str(there.ended(name).status) == "Completed"
    lab.ended(name)
    assert there.output(name) == lab.output(name)


def test_a_damaged_ledger_is_named_and_nothing_is_made(new_lab):
    lab = new_lab
    lab.deploy("plain", PLAIN)
    sound, damaged = lab.run("plain", 2).name, lab.run("plain", 2).name
    assert not lab.place.end()
    ledger = lab.root / "jobs" / damaged / "ledger.db"
    size = ledger.stat().st_size
    with ledger.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    before = ledger.read_bytes()
    with pytest.raises(StoreCorrupted, match=rf"{damaged}/ledger\.db is damaged.*job delete {damaged}"):
        take(lab)
    assert [p.name for p in lab.folder.iterdir() if "backup" in p.name] == []
    assert ledger.read_bytes() == before
    lab.client.jobs.delete(damaged)
    with tarfile.open(take(lab)) as tar:
        assert f".batchmagic/jobs/{sound}/ledger.db" in tar.getnames()


def test_where_it_may_be_and_what_it_replaces(new_lab, monkeypatch):
    lab = new_lab
    ws = lab.client.session.read()
    for wrong, reason in (
        (lab.root / "backup.tar", "lies in the workspace itself"),
        (lab.root / "jobs" / ".." / "backup.tar", "lies in the workspace itself"),
        (lab.folder / "missing" / "backup.tar", "does not exist"),
        (lab.folder / "backup.zip", "no name for an archive"),
        (lab.folder / "backup", "no name for an archive"),
    ):
        with pytest.raises(ValidationException, match=reason):
            backup(ws, wrong)
    link = lab.folder / "link"
    link.symlink_to(lab.root)
    with pytest.raises(ValidationException, match="lies in the workspace itself"):
        backup(ws, link / "backup.tar")
    file = lab.folder / "backup.tar"
    file.write_text("precious")
    with pytest.raises(ResourceExistsError, match="--overwrite"):
        backup(ws, file)
    assert file.read_text() == "precious"
    monkeypatch.chdir(lab.folder)
    assert backup(ws, Path("backup.tar"), overwrite=True).bytes == file.stat().st_size > 10_000
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    backup(ws, lab.folder / "backup.tgz")
    assert (lab.folder / "backup.tgz").read_bytes()[:2] == b"\x1f\x8b"
    assert not [p for p in lab.folder.iterdir() if p.name.startswith(".backup")]


def test_a_file_that_appears_meanwhile_stays(new_lab, monkeypatch):
    lab = new_lab
    file = lab.folder / "backup.tar"
    real = backups._Run.take

    def meanwhile(self):
        file.write_text("precious")
        return real(self)

    monkeypatch.setattr(backups._Run, "take", meanwhile)
    with pytest.raises(ResourceExistsError):
        take(lab)
    assert file.read_text() == "precious"
    assert [p.name for p in lab.folder.iterdir() if "backup" in p.name] == ["backup.tar"]


@pytest.mark.slow
def test_a_disk_that_takes_no_more_leaves_nothing_behind(new_lab):
    lab = new_lab
    lab.deploy("plain", PLAIN)
    lab.run("plain", 2)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "batchmagic",
            "backup",
            str(lab.folder / "backup.tar"),
            "--workspace",
            str(lab.root),
        ],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done
    assert "backup.tar" in done.stderr
    assert "Traceback" not in done.stderr
    assert [p.name for p in lab.folder.iterdir() if "backup" in p.name] == []


@pytest.mark.slow
def test_names_of_any_bytes_and_links_come_through(new_lab, unpack):
    lab = new_lab
    lab.deploy("plain", PLAIN)
    name = lab.run("plain", 2).name
    score = lab.root / "jobs" / name / "outputs" / "score"
    odd = [os.fsdecode(b"\xff\xfe.bin"), "a\nb, 'c' \N{SNOWMAN}", "n" * 200, "-x"]
    for one in odd:
        (score / one).write_text(one, errors="surrogateescape")
    (score / "deep" / "er").mkdir(parents=True)
    (score / "deep" / "er" / "empty").touch()
    (score / "link").symlink_to("/etc/hostname")
    os.mkfifo(score / "pipe")
    there = unpack(take(lab))
    copy = there.root / "jobs" / name / "outputs" / "score"
    for one in odd:
        assert (copy / one).read_text(errors="surrogateescape") == one
    assert (copy / "deep" / "er" / "empty").is_file()
    assert (copy / "link").readlink() == Path("/etc/hostname")
    assert not (copy / "pipe").exists()
    shutil.rmtree(copy / "deep")
