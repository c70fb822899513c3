"""What a scoring script finds around it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import owner as driver
import pytest

if TYPE_CHECKING:
    from owner import Owner, Process

REPORT = "def run(mb): return [json.dumps(report())]\n"


def report(process: Process) -> dict:
    return json.loads(process.one("/a", "/b").raw[1:-2].replace(b'""', b'"'))


@pytest.mark.parametrize("spawn", [False, True])
def test_only_its_own_descriptors_are_open(owner: Owner, spawn):
    script = """import json, os
def report():
    found = {}
    for n in os.listdir('/proc/self/fd'):
        if os.path.islink('/proc/self/fd/' + n):
            found[int(n)] = os.readlink('/proc/self/fd/' + n)
    return found
"""
    with Path(os.devnull).open() as inherited:
        os.set_inheritable(inherited.fileno(), True)  # noqa: FBT003
        neighbour = owner.ready("def run(mb): return mb\n")
        process = owner.ready(script + REPORT, spawn=spawn)
        found = {int(fd): target for fd, target in report(process).items()}
    assert found.pop(0) == os.devnull
    assert found.pop(1) == str(process.folder / "stdout")
    assert found.pop(2) == str(process.folder / "stderr")
    rest = sorted(found.values())
    assert len(rest) == 2, found
    assert rest[0] == str(process.folder / "dump")
    assert rest[1].startswith("socket:")
    assert min(found) > 200
    assert neighbour.one("/a").header["status"] == "ok"


def test_programs_that_the_script_starts_inherit_only_the_standard_streams(owner: Owner):
    script = """import subprocess, json
def report(): return subprocess.run(['ls', '/proc/self/fd'], stdout=subprocess.PIPE, close_fds=False).stdout.decode().split()
"""
    assert report(owner.ready(script + REPORT)) == ["0", "1", "2", "3"]


def test_everything_that_is_written_is_captured_in_order(owner: Owner):
    script = """
import logging, os, subprocess, sys, ctypes
def init():
    logging.getLogger('mine').info('from init')
    logging.getLogger('mine').debug('too quiet')
def run(mb):
    print('printed')
    os.write(1, b'written\\n')
    subprocess.run(['echo', 'echoed'])
    logging.warning('logged')
    sys.stdout.write('no newline')
    print('complaint', file=sys.stderr)
    ctypes.CDLL(None).dprintf(2, b'from C\\n')
    print(sys.stdin.read() == '')
    return mb
"""
    process = owner.ready(script)
    assert "from init" in process.text("stdout")
    process.one("/a")
    lines = process.text("stdout").splitlines()
    assert lines[0].endswith(" INFO mine: from init")
    assert lines[1:4] == ["printed", "written", "echoed"]
    assert lines[4].endswith(" WARNING root: logged")
    assert lines[5:] == ["no newlineTrue"]
    assert process.text("stderr") == "complaint\nfrom C\n"
    for name in ("stdout", "stderr", "dump"):
        assert stat.S_IMODE((process.folder / name).stat().st_mode) == 0o600


def test_log_files_are_appended_by_the_next_process(owner: Owner):
    log = str(owner.folder / "logs" / "process000.stdout.txt")
    for _ in range(2):
        owner.ready("print('up')\ndef run(mb): return mb\n", stdout=log).shutdown()
    assert Path(log).read_text() == "up\nup\n"


def test_a_script_that_closes_or_replaces_its_streams_goes_on(owner: Owner):
    script = "import sys\ndef run(mb):\n    sys.stdout.close(); sys.stderr = None\n    return mb\n"
    assert [f.header["status"] for f in owner.ready(script).score(["/a"], [])] == ["ok", "ok"]


def test_variables_arguments_and_folder_are_set_before_the_import(owner: Owner):
    script = """import json, os, sys, tempfile
at_import = [os.environ['MINE'], os.getcwd(), sys.argv, __name__, __file__, sys.path[0], tempfile.gettempdir()]
def report(): return at_import
"""
    tmp = owner.folder / "tmp"
    tmp.mkdir()
    process = owner.ready(
        script + REPORT, env={"MINE": "1", "TMPDIR": str(tmp)}, argv=["score.py", "--logging_level", "INFO"]
    )
    mine, cwd, argv, name, file, first, temporary = report(process)
    assert (mine, argv, name) == ("1", ["score.py", "--logging_level", "INFO"], "score")
    assert cwd == str(process.folder / "cwd")
    assert stat.S_IMODE(Path(cwd).stat().st_mode) == 0o700
    assert file == str(process.folder / "code" / "score.py")
    assert first == str(process.folder / "code")
    assert temporary == str(tmp)


def test_the_template_does_not_settle_where_temporary_files_go(tmp_path: Path):
    (tmp_path / "asks.py").write_text("import tempfile\ntempfile.gettempdir()\n")
    mine = tmp_path / "mine"
    mine.mkdir()
    with driver.owner(tmp_path, env={"PYTHONPATH": str(tmp_path)}) as owner:
        owner.prepare("asks")
        script = "import tempfile\ndef run(mb): return [tempfile.gettempdir()]\n"
        assert owner.ready(script, env={"TMPDIR": str(mine)}).one("/a", "/b").raw.decode() == f"{mine}\n"


def test_siblings_and_packages_of_the_code_folder_can_be_imported_whatever_their_names(owner: Owner):
    folder = owner.folder / "code"
    for name, text in {
        "utils.py": "A = 1",
        "columns.py": "B = 2",
        "child/__init__.py": "D = 4",
        "frames.py": "E = 5",
        "src/helper.py": "C = 3",
        "src/batch-score.py": "import utils, columns, child, frames, helper\n"
        "def run(mb): return [utils.A, columns.B, helper.C, child.D, frames.E]\n",
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    process = owner.ready(folder / "src" / "batch-score.py", code_dir=str(folder))
    assert process.one("/a").raw == b"1\n2\n3\n4\n5\n"


def test_a_script_with_the_name_of_a_library_does_not_replace_it(owner: Owner):
    folder = owner.folder / "code"
    folder.mkdir()
    (folder / "json.py").write_text(
        "import json\ndef run(mb): return [json.dumps('mine')]\n", encoding="utf-8"
    )
    assert owner.ready(folder / "json.py").one("/a", "/b").raw == b'"""mine"""\n'


def test_main_is_empty_and_child_processes_of_the_script_work(owner: Owner):
    script = """
import multiprocessing, __main__
def double(x): return 2 * x
def run(mb):
    with multiprocessing.get_context(mb[0]).Pool(2) as pool:
        return pool.map(double, [1, 2]) + [hasattr(__main__, 'main')]
"""
    process = owner.ready(script)
    for method in ("fork", "spawn"):
        assert process.one(method, "/b").raw == b"2\n4\nFalse\n", process.text("stderr")


def test_azures_helper_is_there(owner: Owner):
    script = """import json
from azureml_user.parallel_run import EntryScript
def init():
    assert EntryScript() is EntryScript()
    EntryScript().logger.info('hello from the entry script')
def report():
    e = EntryScript()
    return [e.agent_name, e.log_dir, e.output_dir, e.working_dir]
"""
    process = owner.ready(script + REPORT, agent_name="process007")
    folder = process.folder
    assert report(process) == ["process007", str(folder / "logs"), str(folder), str(folder / "cwd")]
    assert "|INFO|hello from the entry script" in (folder / "logs" / "entry").read_text()


@pytest.mark.parametrize("module", ["random", "numpy.random"])
def test_processes_of_one_template_draw_different_numbers(owner: Owner, module: str):
    owner.prepare(module)
    script = (
        f"import {module} as r\ndef run(mb): return [str(r.rand() if hasattr(r, 'rand') else r.random())]\n"
    )
    assert len({owner.ready(script).one("/a").raw for _ in range(4)}) == 4


def test_it_leads_its_group_and_is_the_first_to_go_when_memory_is_short(owner: Owner):
    script = """import json, os
def report():
    with open('/proc/self/oom_score_adj') as file:
        return [os.getpid(), os.getpgrp(), os.getsid(0), int(file.read())]
"""
    process = owner.ready(script + REPORT)
    assert report(process) == [process.pid, process.pid, process.pid, 500]


def test_user_code_that_closes_all_low_descriptors_does_not_cut_the_line(owner: Owner):
    process = owner.ready("import os\ndef run(mb):\n    os.closerange(3, 256)\n    return mb\n")
    assert len(process.score(["/a"], ["/b"])) == 2


@pytest.mark.parametrize("line", ["import mlflow", "import mlflow.pyfunc", "from mlflow.pyfunc import load"])
def test_the_old_name_of_mlflows_loader_works_with_one_warning(owner: Owner, line: str):
    fake = owner.folder / "site" / "mlflow"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("from . import pyfunc\n")
    (fake / "pyfunc.py").write_text("def load_model(path): return 'model at ' + path\n")
    script = f"import sys\nsys.path.insert(0, {str(fake.parent)!r})\n{line}\nimport mlflow\n"
    process = owner.ready(script + "def run(mb): return [mlflow.pyfunc.load(p) for p in mb]\n")
    assert process.one("/m").raw == b"model at /m,m\n"
    process.one("/n")
    assert process.text("stdout").count("load_model is called in its place") == 1


OLD = """
import os
from azureml.core import Model, Run
from azureml.core.model import Model as Again
from azureml.core.run import Run as SameRun
assert Again is Model and SameRun is Run and Run.get_context() is Run.get_context()
def run(mb):
    return [Run.get_context().parent.id, Model.get_model_path('any')]
"""


def test_the_old_package_is_there_where_it_is_not_installed(owner: Owner):
    model = owner.folder / "registered" / "weights.bin"
    model.parent.mkdir()
    model.touch()
    process = owner.ready(OLD, env={"AZUREML_MODEL_DIR": str(model.parent), "AZUREML_RUN_ID": "job-1"})
    assert process.one("/a", "/b", "/c").raw.decode() == f"job-1\n{model}\n"


def test_what_it_logs_goes_to_mlflow(owner: Owner):
    fake = owner.folder / "site"
    fake.mkdir()
    (fake / "mlflow.py").write_text(
        "def log_metric(*a, **k): print('metric', *a, *k.items())\ndef set_tag(*a): print('tag', *a)\n"
    )
    script = f"import sys\nsys.path.insert(0, {str(fake)!r})\n"
    script += "from azureml.core import Run\nrun_ = Run.get_context()\n"
    script += "run_.log('a', '1.5'); run_.log('b', 'text'); run_.log_list('c', [1]); run_.log_row('d', x=2)\n"
    process = owner.ready(script + "def run(mb): return mb\n")
    assert process.text("stdout").splitlines() == [
        "metric a 1.5 ('step', None)",
        "tag b text",
        "metric c 1.0 ('step', 0)",
        "metric d.x 2.0 ('step', None)",
    ]


def test_without_mlflow_it_is_said_once_that_nothing_is_logged(owner: Owner):
    script = "import sys\nsys.modules['mlflow'] = None\nfrom azureml.core import Run\n"
    process = owner.ready(
        script + "for n in range(3): Run.get_context().log('a', n)\ndef run(mb): return mb\n"
    )
    assert process.text("stdout").count("What Run logs is lost") == 1


def test_a_second_model_is_refused_and_so_is_any_without_one(owner: Owner):
    script = "from azureml.core import Model\ndef run(mb): return [Model.get_model_path(n) for n in mb]\n"
    model = owner.folder / "registered" / "weights.bin"
    model.parent.mkdir()
    model.touch()
    process = owner.ready(script, env={"AZUREML_MODEL_DIR": str(model.parent)})
    assert "asked for as 'encoder' before" in process.one("encoder", "decoder").header["error"]["message"]
    assert "has no model" in owner.ready(script).one("any").header["error"]["message"]


def test_a_package_of_that_name_comes_before_ours(owner: Owner):
    folder = owner.folder / "code"
    (folder / "azureml" / "core").mkdir(parents=True)
    (folder / "azureml" / "__init__.py").touch()
    (folder / "azureml" / "core" / "__init__.py").write_text("Model = 'theirs'\n")
    (folder / "score.py").write_text("from azureml.core import Model\ndef run(mb): return [Model]\n")
    assert owner.ready(folder / "score.py").one("/a", "/b").raw == b"theirs\n"


def test_a_namespace_of_that_name_gets_what_it_lacks(owner: Owner):
    folder = owner.folder / "code"
    (folder / "azureml" / "mine").mkdir(parents=True)
    (folder / "azureml" / "mine" / "__init__.py").write_text("A = 1\n")
    (folder / "score.py").write_text(
        "from azureml.mine import A\nfrom azureml.core import Run\ndef run(mb): return [A, Run.__name__]\n"
    )
    assert owner.ready(folder / "score.py").one("/a", "/b").raw == b"1,a\nRun,b\n"
