"""The wheel, installed where nothing of the working copy is seen first: Jupyter's servers load the extension by themselves."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = "etc/jupyter/jupyter_server_config.d/batchmagic.json"


def run(*words, **values):
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=100, **values)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without a network."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), cwd=ROOT)
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment with the wheel in it, and what it needs beside it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    home = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (home / "beside.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    uv = Path(sys.executable).with_name("uv")
    run(uv, "pip", "install", "--quiet", "--offline", "--no-deps", "--python", python, wheel)
    return folder


def test_the_wheel_says_to_jupyter_what_to_load(wheel):
    with zipfile.ZipFile(wheel) as files:
        (found,) = [name for name in files.namelist() if name.endswith(CONFIG)]
        assert found == f"{'-'.join(wheel.name.split('-')[:2])}.data/data/{CONFIG}"
        assert b'"batchmagic": true' in files.read(found)


@pytest.mark.slow
def test_an_installed_wheel_is_enabled_and_sound(installed, tmp_path):
    assert (installed / CONFIG).is_file()
    python, own = installed / "bin" / "python", {"HOME": str(tmp_path), "PATH": str(installed / "bin")}
    where = run(python, "-c", "import batchmagic; print(batchmagic.__file__)", cwd=tmp_path, env=own)
    assert Path(where.strip()).is_relative_to(installed)
    listed = run(python, "-m", "jupyter_server.extension.serverextension", "list", cwd=tmp_path, env=own)
    listed = re.sub(r"\x1b\[\d+m", "", listed)
    assert "batchmagic enabled" in listed
    assert re.search(r"^ *batchmagic [0-9.]+ OK$", listed, re.MULTILINE), listed
    # `jupyter batchmagic` finds this program.
    assert "--BatchMagicApp.roots" in run(
        installed / "bin" / "jupyter-batchmagic", "--help-all", cwd=tmp_path, env=own
    )
