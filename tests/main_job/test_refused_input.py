"""What cannot be done is refused in one clear line, and leaves rows and files as they were."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from main_job_support import COMPUTE, ENDPOINT, PLAIN

from batchmagic.cli.main import main
from batchmagic.entities import BatchEndpoint

if TYPE_CHECKING:
    from pathlib import Path

SCRIPTS = {"no-run": "def init():\n    pass\n", "syntax": "def run(mini_batch)\n    return []\n"}

# The words after `batchmagic`, and what the one line says.
REFUSED = {
    "missing folder": (f"invoke {ENDPOINT} --input ./nowhere", "no file or folder './nowhere'"),
    "empty folder": (f"invoke {ENDPOINT} --input ./empty", "is empty"),
    "unknown endpoint": ("invoke bach --input ./data", f"Did you mean '{ENDPOINT}'?"),
    "no deployment": ("invoke bare --input ./data", "'bare' has no deployment"),
    "unknown deployment": (f"invoke {ENDPOINT}/plane --input ./data", "Did you mean 'plain'?"),
    "script without run": (
        f"deploy {ENDPOINT}/other --code ./no-run --scoring-script score.py",
        "score.py has no run(mini_batch)",
    ),
    "syntax error": (
        f"deploy {ENDPOINT}/other --code ./syntax --scoring-script score.py",
        "score.py, line 1: expected ':'",
    ),
    "no such model": (f"deploy {ENDPOINT}/other --model ./nothing", "There is no model at"),
    "output exists": (f"invoke {ENDPOINT} --input ./data --output ./taken", "--overwrite"),
    "name with a slash": ("endpoint create a/b", "letters, digits"),
    "endpoint and its name with a slash": (
        f"deploy {ENDPOINT}/a/b --code ./good --scoring-script score.py",
        "a/b",
    ),
    "too many instances": (f"invoke {ENDPOINT} --input ./data --instance-count 3", "raise max_instances"),
    "too many instances in a deployment": (
        f"deploy {ENDPOINT}/other --code ./good --scoring-script score.py --compute {COMPUTE} --instance-count 9",
        "is more than the 2 instances",
    ),
    "predict_per with a script": (
        f"invoke {ENDPOINT}/plain --input ./data --predict-per mini_batch",
        "is for MLflow models without a scoring script",
    ),
    "predict_per with a script in a deployment": (
        f"deploy {ENDPOINT}/other --code ./good --scoring-script score.py --predict-per file",
        "is for MLflow models without a scoring script",
    ),
    "no number": (f"invoke {ENDPOINT} --input ./data --mini-batch-size many", "must be a whole number"),
    "unknown job": ("job show nobody", "no job 'nobody'"),
}


@pytest.fixture(scope="module")
def project(lab):
    """A working directory with good and bad things in it, and one job that has ended."""
    folder = lab.new_folder("project")
    for name in ("data", "empty", "taken", "good", *SCRIPTS):
        (folder / name).mkdir(parents=True)
    (folder / "data" / "a.csv").write_text("1\n")
    (folder / "taken" / "predictions.csv").write_text("kept\n")
    (folder / "good" / "score.py").write_text(PLAIN)
    for name, source in SCRIPTS.items():
        (folder / name / "score.py").write_text(source)
    lab.deploy("plain", PLAIN)
    lab.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="bare")).result()
    assert lab.run("plain", 3).status == "Completed"
    lab.place.end()  # a host beats in the database
    return folder


def everything(*folders: Path) -> dict[str, object]:
    """Return every row of every database and the content of every other file."""
    found: dict[str, object] = {}
    for path in (p for folder in folders for p in sorted(folder.rglob("*"))):
        if path.suffix == ".db":
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                for (table,) in connection.execute(
                    "select name from sqlite_master where type = 'table'"
                ).fetchall():
                    found[f"{path}:{table}"] = connection.execute(f"select * from {table}").fetchall()
        elif path.name.endswith((".db-wal", ".db-shm")):
            continue
        else:
            found[str(path)] = (
                hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else path.stat().st_mode
            )
    return found


@pytest.mark.parametrize("case", REFUSED)
def test_one_line_and_nothing_changed(lab, project, case, monkeypatch, capfd):
    words, said = REFUSED[case]
    monkeypatch.chdir(project)
    before = everything(lab.root, project)
    assert any(name.endswith(":jobs") and rows for name, rows in before.items())
    assert main(["--workspace", str(lab.root), *words.split()]) == 2
    assert everything(lab.root, project) == before
    out, err = capfd.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("error: ")
    assert said in line
    assert "Traceback" not in line
    assert lab.place.processes() == [], "a host was started for it"


def test_the_same_words_without_the_mistake_are_accepted(lab, project, monkeypatch, capfd):
    """The table above would prove nothing if everything were refused."""
    monkeypatch.chdir(project)
    good = f"deploy {ENDPOINT}/other --code ./good --scoring-script score.py --compute {COMPUTE}"
    assert main(["--workspace", str(lab.root), *good.split()]) == 0
    words = f"invoke {ENDPOINT}/other --input ./data --output ./taken --overwrite --wait"
    assert main(["--workspace", str(lab.root), *words.split()]) == 0
    assert (project / "taken" / "predictions.csv").read_text() in {"a.csv\n", "result,file\na.csv,a.csv\n"}
    capfd.readouterr()
