"""A JupyterLab of its own and a browser to look at it: what the browser tests and `make screenshots` share."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
from lab_page import LabPage
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

START_SECONDS = 60
STOP_SECONDS = 20

# The sandbox needs rights that a container does not give; the rest keeps the browser from calling anybody.
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def chromium() -> str | None:
    """Return the path of the browser: what `CHROMIUM` names, else the one on the path."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Browser]:
    """Start the browser; it has ended afterwards.

    Until then this thread counts as one with a running asyncio loop: nothing can use `asyncio.run` in it.
    """
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium(), headless=True, args=_FLAGS)
        try:
            yield found
        finally:
            found.close()


@contextmanager
def lab(folder: Path, browser: Browser | None = None) -> Iterator[Lab]:
    """Run a JupyterLab whose files are all in `folder`; afterwards it has ended, and so have kernels and computes."""
    found = Lab(folder, browser)
    try:
        with found.running():
            yield found
    finally:
        end_computes(found.project)


def end_computes(folder: Path) -> None:
    """Have the computes of every workspace in `folder` leave."""
    for record in folder.rglob("compute/*/supervisor.json"):
        with contextlib.suppress(psutil.NoSuchProcess, ValueError):
            supervisor = psutil.Process(json.loads(record.read_text())["identity"]["pid"])
            # The number may have gone to another process meanwhile.
            if str(folder) in " ".join(supervisor.cmdline()):
                supervisor.terminate()
                supervisor.wait(STOP_SECONDS)


class Lab:
    """A JupyterLab with files, settings and token of its own.

    Attributes
    ----------
    project
        The folder that it shows; the workspace of its notebooks is in it.
    url, token
        How it is reached, while it runs.
    """

    def __init__(self, folder: Path, browser: Browser | None = None) -> None:
        self.project = folder / "project"
        self._state = folder / "state"
        self.url = ""
        self.token = secrets.token_hex(8)
        self._browser = browser
        self._pages = 0
        self.project.mkdir(parents=True)
        # Without this there is a question about news in the corner; `news_url=None` does not stop it.
        self._setting("apputils", "notification", fetchNews="false", checkForUpdates=False)
        # Nothing is saved behind the back of a test that looks at what it saved.
        self._setting("docmanager", "plugin", autosave=False)

    @contextmanager
    def page(self, *, width: int = 1200, height: int = 1400, scale: float = 1) -> Iterator[LabPage]:
        """Open Lab in a tab of the browser, with no notebook yet.

        Parameters
        ----------
        width, height
            Of the window, in the page's pixels.
        scale
            The screen's pixels for each of the page's.
        """
        assert self._browser is not None
        self._pages += 1
        context = self._browser.new_context(
            viewport={"width": width, "height": height}, device_scale_factor=scale
        )
        try:
            found = LabPage(context.new_page(), self.project)
            # A workspace of its own is empty, and spares the second load that `?reset` brings.
            found.go(f"{self.url}/lab/workspaces/page{self._pages}?token={self.token}")
            yield found
        finally:
            context.close()

    def kernels(self) -> list[dict[str, Any]]:
        """Return what the server says about the kernels that run."""
        found: list[dict[str, Any]] = self._call("api/kernels")
        return found

    # --- the server

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run the server; afterwards it has ended, and its kernels with it."""
        self._state.mkdir(exist_ok=True)
        log = self._state / "lab.log"
        with log.open("w") as output:
            server = subprocess.Popen(
                self._command(),
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                self._await(server, log)
                yield
            finally:
                server.terminate()  # a clean stop, kernels included
                try:
                    server.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()
                    server.wait()

    def _command(self) -> list[str]:
        return [
            *(
                sys.executable,
                "-m",
                "jupyterlab",
                "--allow-root",
                "--no-browser",
                "--ip=127.0.0.1",
                "--port=0",
            ),
            f"--ServerApp.root_dir={self.project}",
            f"--IdentityProvider.token={self.token}",
            "--LabApp.expose_app_in_browser=True",  # window.jupyterapp
            "--LabApp.extension_manager=readonly",
        ]

    def _environment(self) -> dict[str, str]:
        own = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        inherited = {key: value for key, value in os.environ.items() if key != "BATCHMAGIC_WORKSPACE"}
        return inherited | {key: str(self._state / name) for key, name in own.items()}

    def _await(self, server: subprocess.Popen[bytes], log: Path) -> None:
        record = self._state / "runtime" / f"jpserver-{server.pid}.json"
        deadline = time.monotonic() + START_SECONDS
        while True:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"JupyterLab does not start:\n{log.read_text()}")
            # Not there, half written, or not listening yet.
            with contextlib.suppress(OSError, ValueError):
                self.url = f"http://127.0.0.1:{json.loads(record.read_text())['port']}"
                self._call("api/status")
                return
            time.sleep(0.05)

    def _call(self, path: str) -> Any:
        request = urllib.request.Request(
            f"{self.url}/{path}", headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=STOP_SECONDS) as answer:
            return json.load(answer)

    def _setting(self, extension: str, plugin: str, **values: Any) -> None:
        folder = self._state / "settings" / "@jupyterlab" / f"{extension}-extension"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{plugin}.jupyterlab-settings").write_text(json.dumps(values))
