"""The doctor: it finds what is wrong, says what to do, and changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from sdk_support import run_job
from sqlalchemy import update

from batchmagic import surroundings
from batchmagic.cli.main import main
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.sdk.doctor import document_of, examine, folder, hosts, limits, packages, session
from batchmagic.sdk.doctor.finding import State
from batchmagic.surroundings import Place
from batchmagic.workspace import identity
from batchmagic.workspace.launch import host_claim
from batchmagic.workspace.ledger import Commit, Ledger
from batchmagic.workspace.tables import claims, deployment_versions

if TYPE_CHECKING:
    from batchmagic import MLClient
    from batchmagic.sdk.doctor import Finding
    from batchmagic.workspace import Workspace


def everything(root: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file and folder with its content, mode and time of change."""
    return {
        str(path.relative_to(root)): (
            path.read_bytes() if path.is_file() else b"",
            path.stat().st_mode,
            path.stat().st_mtime_ns if path.is_file() else 0,
        )
        for path in [root, *root.rglob("*")]
    }


def look(root: Path, **options) -> dict[str, Finding]:
    """Look, see that nothing was changed, and return the findings by their subjects."""
    before = everything(root) if root.exists() else {}
    found = {f.subject: f for findings in examine(root, **options).values() for f in findings}
    assert (everything(root) if root.exists() else {}) == before
    for finding in found.values():
        assert bool(finding.do) == (finding.state is not State.OK), finding
        assert "\n" not in finding.text + finding.do
    return found


def wrong(found: dict[str, Finding]) -> dict[str, Finding]:
    """What is wrong with the workspace; what is so of this machine is another matter."""
    here = {
        "this session",
        "open files",
        "processes",
        "shared memory",
        "memory",
        "cores",
        "python",
        "batchmagic",
    }
    return {
        key: f for key, f in found.items() if f.state is not State.OK and key not in here and "end" not in key
        and "stop" not in key
    }  # fmt: skip


@pytest.fixture
def job(held: Workspace, client: MLClient) -> str:
    """A completed job, in a workspace that nobody has open any more."""
    name = client.batch_endpoints.invoke("heart", input="./data").name
    run_job(held, name)
    with held.database.write() as connection:
        connection.execute(update(claims).values(held=False))
    return name


@pytest.fixture
def root(job: str, client: MLClient) -> Path:
    found = client.session.read().root
    client.session.close()
    return found


def test_of_a_sound_workspace_nothing_is_wrong(root: Path, job: str) -> None:
    found = look(root)
    assert wrong(found) == {}
    assert found["workspace.db"].text.startswith("whole, schema ")
    assert found["ledgers"].text.startswith("1 ledger whole")
    assert found["journal"].text == "two processes share the write-ahead log"
    assert found["hosts"].text == "none runs, and no job waits for one"
    assert found["folder"].text == f"{root}, yours alone"


def test_the_command_tells_it_and_ends_with_its_code(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "Ledgers\n  ✓ ok      ledgers: 1 ledger whole" in text
    assert main(["doctor", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["workspace"] == str(root)
    assert sum(document["counts"].values()) == sum(len(part["findings"]) for part in document["parts"])
    (root / "workspace.db").write_bytes(b"")
    assert main(["doctor", "--format", "json"]) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "broken"


def test_without_a_workspace_none_is_made(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = look(project / ".batchmagic")
    assert "there is no workspace" in found["folder"].text
    assert "batchmagic deploy" in found["folder"].do
    assert main(["doctor"]) == 0
    assert "What survives what" in capsys.readouterr().out
    assert not (project / ".batchmagic").exists()


@pytest.mark.parametrize("damage", ["empty", "text", "pages", "missing"])
def test_a_damaged_workspace_db_is_what_it_says(root: Path, job: str, damage: str) -> None:
    path = root / "workspace.db"
    if damage == "missing":
        path.unlink()
    else:
        content = {
            "empty": b"",
            "text": b"no database at all" * 300,
            "pages": path.read_bytes()[:8192] + b"\xa5" * 20000,
        }
        path.write_bytes(content[damage])
    found = look(root)
    broken = found["folder" if damage == "missing" else "workspace.db"]
    assert broken.state is State.BROKEN
    assert "workspace.db" in broken.text
    # The ledgers are looked at nevertheless, by the names of the folders.
    assert damage == "missing" or found["ledgers"].text.startswith("1 ledger whole")


def test_a_damaged_ledger_and_one_that_lies(root: Path, job: str, client: MLClient) -> None:
    ledger = root / "jobs" / job / "ledger.db"
    sound = ledger.read_bytes()
    ledger.write_bytes(sound[:4096] + b"\xa5" * (len(sound) - 4096))
    found = look(root)[f"job {job}"]
    assert (found.state, found.do) == (State.BROKEN, f"batchmagic job delete {job}")
    assert "ledger.db is damaged" in found.text
    ledger.write_bytes(sound)
    with closing(sqlite3.connect(ledger)) as connection, connection:
        connection.execute("UPDATE progress SET completed = 4")
    found = look(root)[f"job {job}"]
    assert found.state is State.BROKEN
    assert "(4, 0, 0, 5)" in found.text
    assert "(5, 0, 0, 5)" in found.text


def test_missing_rows_of_an_unfinished_job_are_seen(client: MLClient, held: Workspace) -> None:
    name = client.batch_endpoints.invoke("heart", input="./data").name
    job_folder = held.job_dir(name)
    held.jobs.transition(name, JobStatus.PREPARING)
    held.jobs.transition(name, JobStatus.RUNNING)
    ledger = Ledger.open(job_folder)
    ledger.begin(epoch=1, run=1, mini_batches=5, files=5)
    places = [("1-a-0.seg", 0, 10, 0), ("1-a-0.seg", 10, 10, 0), ("1-b-0.seg", 0, 7, 0)]
    commits = [
        Commit(
            mini_batch=i, part=0, ok=True, attempt=1, files=1, rows=1, place=place, encoding="csv", columns=()
        )
        for i, place in enumerate(places)
    ]
    ledger.commit(
        1, commits=commits, failures=[], progress=Progress(mini_batches=5, files=5, completed=3, rows=3)
    )
    ledger.close()
    spool = job_folder / "spool"
    spool.mkdir()
    (spool / "1-a-0.seg").write_bytes(b"x" * 19)
    (spool / "1-b-0.seg").write_bytes(b"x" * 9)
    client.session.close()
    found = look(held.root)[f"job {name}"]
    assert "1 of 2 segments with committed rows missing or cut off" in found.text
    assert (found.state, found.do) == (State.LOOK, f"batchmagic job resume {name}")
    (spool / "1-a-0.seg").write_bytes(b"x" * 20)
    assert f"job {name}" not in look(held.root)


def test_what_is_committed_in_a_log_that_a_killed_process_left_counts_and_stays(root: Path, job: str) -> None:
    code = f"""
import os, sqlite3
c = sqlite3.connect({str(root / "workspace.db")!r})
c.execute("UPDATE jobs SET compute = 'elsewhere', status = 'Queued'")
c.commit()
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert (root / "workspace.db-wal").stat().st_size > 0
    found = look(root)
    assert found["compute elsewhere"].state is State.LOOK
    assert "nobody serves it, and 1 job not finished" in found["compute elsewhere"].text
    # Copied without its index it could only be mended, not looked at.
    (root / "workspace.db-shm").unlink()
    assert "was not closed well" in look(root)["workspace.db"].text


LOOK = """
import json, os, sys
from pathlib import Path
from batchmagic.sdk.doctor import document_of, examine

root = Path(sys.argv[1])
examine(root)  # so that all is imported: the other user may not be let into this interpreter's folder
os.setuid(int(sys.argv[2]))
print(json.dumps(document_of(root, examine(root))))
"""


def test_a_read_only_workspace_is_looked_at(root: Path) -> None:
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / "workspace"
        shutil.copytree(root, copy)
        os.chmod(place, 0o711)  # noqa: PTH101 - a text
        # For root nothing is read-only: another user looks then.
        other = 65534 if os.geteuid() == 0 else os.geteuid()
        for path in [copy, *copy.rglob("*")]:
            os.chown(path, other, -1)
            path.chmod(stat.S_IMODE(path.stat().st_mode) & 0o500)
        before = everything(copy)
        done = subprocess.run(
            [sys.executable, "-c", LOOK, copy, str(other)], capture_output=True, text=True, check=False
        )
        assert everything(copy) == before
        for path in [copy, *copy.rglob("*")]:
            path.chmod(0o700)
    assert done.returncode == 0, done
    parts = {part["title"]: part["findings"] for part in json.loads(done.stdout)["parts"]}
    found = {finding["subject"]: finding for finding in parts["Workspace"]}
    assert "read-only" in found["journal"]["text"]
    assert found["workspace.db"]["state"] == "ok"
    assert parts["Ledgers"][0]["text"].startswith("1 ledger whole")


def test_a_folder_that_others_can_enter_or_write(root: Path) -> None:
    root.chmod(0o755)
    found = look(root)["folder"]
    assert (found.state, found.do) == (State.LOOK, f"chmod 0700 {root}")
    root.chmod(0o777)
    assert look(root)["folder"].state is State.BROKEN
    root.chmod(0o700)


def test_leftovers_and_strays(root: Path, job: str) -> None:
    old = time.time() - 90_000
    for name in ("trash/gone-1", "assets/.incoming/half", "jobs/stray"):
        (root / name).mkdir(parents=True)
        (root / name / "file").write_bytes(b"x" * 1500)
    (root / ".workspace.db.1-ab.new").write_text("x")
    for name in ("trash/gone-1", "assets/.incoming/half", ".workspace.db.1-ab.new"):
        os.utime(root / name, (old, old))
    shutil.rmtree(root / "jobs" / job)
    found = look(root)
    assert found["leftovers"].text.startswith("3 things (3.0 kB) that interrupted work has left")
    assert found["leftovers"].do == "batchmagic prune"
    assert "has no folder" in found[f"job {job}"].text
    strays = [f for f in examine(root)["Workspace"] if "of no job" in f.text]
    assert [f.text for f in strays] == ["1 folder (1.5 kB) of no job: stray"]


def test_who_serves_what(held: Workspace, client: MLClient) -> None:
    subject, other = "compute local", replace(identity.current(), pid=2**22 + 5)
    name = client.batch_endpoints.invoke("heart", input="./data").name
    patient = SimpleNamespace(root=held.root, command="batchmagic")

    def seen() -> Finding:
        return look(held.root)[subject]

    # As the host of this claim would have written it.
    log = held.compute_dir("local") / "host.log"
    log.write_text("… INFO batchmagic 0.0.1 serves local with claim 1\n")
    held.close()
    assert "with batchmagic 0.0.1, and this is" in seen().text
    log.unlink()
    assert seen().text == f"process {os.getpid()} serves it; 1 job not finished"
    held.claims.acquire(host_claim("local"), other, force=True)
    held.close()
    assert "is dead; 1 job not finished" in seen().text
    assert seen().do == "batchmagic job list"
    held.claims.acquire(host_claim("local"), force=True)
    with held.database.write() as connection:
        connection.execute(update(claims).values(place="1:1"))
    held.close()
    assert "serves another folder, of which this is a copy" in seen().text
    elsewhere = {"host": "other/1", "boot_id": "b/n", "pid": 7, "start_time": "1", "epoch": 1, "place": None}
    assert "on other has it" in hosts._of_compute(patient, "local", elsewhere, 0).text
    assert name


def test_an_interpreter_that_has_vanished(client: MLClient, job: str, tmp_path: Path) -> None:
    held = client.session.read()
    gone = {"executable": str(tmp_path / "gone" / "python"), "version": "3.11", "prefix": "/"}
    with held.database.write() as connection:
        connection.execute(update(deployment_versions).values(interpreter=gone))
    held.close()
    found = look(held.root)["interpreter"]
    assert found.state is State.BROKEN
    assert (
        f"{gone['executable']} does not exist any more; deployment heart/classifier cannot run" in found.text
    )
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)
    with held.database.write() as connection:
        values = {
            "interpreter": {**gone, "executable": str(bare / "bin" / "python")},
            "model_type": "mlflow_model",
        }
        connection.execute(update(deployment_versions).values(code_dir=None, **values))
    held.close()
    found = look(held.root)["mlflow"]
    assert found.state is State.BROKEN
    assert found.do == f"{bare / 'bin' / 'python'} -m pip install mlflow"


def test_packages_are_compared_with_their_floors() -> None:
    wanted = ["sqlalchemy>=999", "not-there-at-all>=1", "pandas>=0.1", "nothing; python_version < '3'"]
    found = {f.subject: f for f in packages._wrong(wanted)}
    assert set(found) == {"sqlalchemy", "not-there-at-all"}
    assert found["sqlalchemy"].do == 'pip install "sqlalchemy>=999"'
    assert all(f.state is State.BROKEN for f in found.values())


def test_little_room_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(root)

    def nearly_full(_path: object) -> SimpleNamespace:
        return SimpleNamespace(f_bavail=10, f_frsize=real.f_frsize, f_files=1000, f_favail=3)

    monkeypatch.setattr(os, "statvfs", nearly_full)
    found = list(folder._disk(root))
    assert [f.state for f in found] == [State.BROKEN, State.LOOK]
    assert all("prune" in f.do for f in found)


def test_an_examination_has_an_end_and_says_what_it_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("batchmagic.sdk.doctor.databases._SECONDS", -1.0)
    found = look(root)["ledgers"]
    assert "1 older ledger not looked at" in found.text
    assert found.do == "batchmagic doctor --all"
    assert look(root, everything=True)["ledgers"].text.startswith("1 ledger whole")


def test_sizes_have_what_frees_them(root: Path, job: str, client: MLClient) -> None:
    logs = root / "jobs" / job / "logs" / "user"
    (logs / "big.txt").write_bytes(b"x" * 2_000_000)
    found = next(f for f in examine(root)["Sizes"] if f.subject == "jobs")
    assert "logs 2.0 MB" in found.text
    assert found.text.endswith("freed by: batchmagic prune --older-than 30d")


def test_limits_are_words() -> None:
    assert {f.subject for f in limits.findings()} >= {"open files", "memory", "cores"}


# --- what survives what


def place(
    tmp_path: Path, files: dict[str, str] | None = None, platform: str = "linux", **environ: str
) -> Place:
    for name, text in (files or {}).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Place(environ=environ, root=tmp_path, platform=platform, user="ann")


LOGIN = {"proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n"}
USER = {"proc/self/cgroup": "0::/user.slice/user-1000.slice/user@1000.service/app.slice/jupyter.service\n"}
KILLS = {"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=no\nKillUserProcesses=yes\n"}
LINGER = {"var/lib/systemd/linger/ann": ""}


@pytest.mark.parametrize(
    ("files", "environ", "kinds", "ends"),
    [
        ({}, {}, [], []),
        (LOGIN, {"SSH_CONNECTION": "1 2 3 4"}, ["login", "ssh"], []),
        (LOGIN | KILLS, {"TMUX": "/tmp/x"}, ["login", "tmux"], ["login"]),
        (USER, {}, ["systemd-user"], ["systemd-user"]),
        (USER | LINGER, {}, ["systemd-user"], []),
        ({"proc/self/cgroup": "0::/system.slice/hub.service\n"}, {}, ["service"], ["service"]),
        ({".dockerenv": ""}, {}, ["container"], ["container"]),
        ({"run/.containerenv": ""}, {}, ["container"], ["container"]),
        ({"proc/1/cgroup": "12:pids:/kubepods/burstable/pod1\n"}, {}, ["container"], ["container"]),
        ({}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JUPYTERHUB_USER": "ann"}, ["hub", "container"], ["hub", "container"]),
        ({}, {"BINDER_SERVICE_HOST": "x", "JUPYTERHUB_USER": "j"}, ["binder"], ["binder"]),
        ({}, {"SLURM_JOB_ID": "77"}, ["slurm"], ["slurm"]),
        ({}, {"PBS_JOBID": "5.pbs"}, ["scheduler"], ["scheduler"]),
        ({}, {"STY": "1.x"}, ["screen"], []),
        ({}, {"WSL_DISTRO_NAME": "Debian"}, ["wsl"], ["wsl"]),
        ({}, {"CODESPACES": "true"}, ["hosted"], ["hosted"]),
    ],
)  # fmt: skip
def test_the_kind_of_session(
    tmp_path: Path, files: dict, environ: dict, kinds: list[str], ends: list[str]
) -> None:
    found = surroundings.layers(place(tmp_path, files, **environ))
    assert [layer.kind for layer in found] == kinds
    assert [layer.kind for layer in found if layer.end and not layer.survives] == ends
    for finding in session.findings(found):
        assert bool(finding.do) == (finding.state is State.LOOK), finding
    line = surroundings.sentence(found)
    assert "\n" not in line
    assert line.endswith("the machine stops.")
    assert all(layer.end in line for layer in found if layer.kind in ends)


def test_slurm_tells_its_end_and_macos_is_known(tmp_path: Path) -> None:
    slurm = surroundings.layers(place(tmp_path, SLURM_JOB_ID="77", SLURM_JOB_END_TIME="1790000000"))
    assert "SLURM job 77 ends, at 2026-09-21 14:13 UTC at the latest" in surroundings.sentence(slurm)
    mac = surroundings.layers(place(tmp_path, platform="darwin"))
    assert [f.do for f in session.findings(mac) if f.do] == ["caffeinate -i"]


def test_on_a_hub_the_server_is_not_survived(tmp_path: Path) -> None:
    def server(found: tuple) -> bool:
        return next(f.survives for f in surroundings.fates(found) if f.kind == "server")

    assert server(())
    assert not server(surroundings.layers(place(tmp_path, JUPYTERHUB_USER="ann")))


def test_the_document_has_the_worst_state(root: Path) -> None:
    found = examine(root)
    document = document_of(root, found)
    states = {f.state for findings in found.values() for f in findings}
    assert document["state"] == ("look" if State.LOOK in states else "ok")
