"""What published scoring scripts expect to find and would not: Azure's helper modules, an old MLflow name."""

from __future__ import annotations

import importlib.abc
import importlib.util
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from . import azureml_core
from .isolate import level_of, make_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_PYFUNC = "mlflow.pyfunc"


def install(spec: dict[str, Any]) -> None:
    """Make ``EntryScript``, ``mlflow.pyfunc.load`` and, if it is missing, ``azureml.core`` work."""
    _install_entry_script(spec)
    azureml_core.install()
    loaded = sys.modules.get(_PYFUNC)
    if loaded is not None:
        _add_load(loaded)
    else:
        sys.meta_path.insert(0, _PyfuncFinder())


class _PrivateFileHandler(logging.FileHandler):
    """Opens its file when it is first written to, readable by nobody else."""

    def _open(self) -> Any:
        make_folder(os.path.dirname(self.baseFilename))
        fd = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return open(fd, "a", encoding="utf-8", errors="backslashreplace")


def _install_entry_script(spec: dict[str, Any]) -> None:
    logger = logging.getLogger("azureml_user.parallel_run.entry_script")
    logger.setLevel(level_of(spec.get("logging_level") or "info"))
    log = spec.get("entry_log")
    if log:
        handler = _PrivateFileHandler(log, delay=True)
        handler.setFormatter(logging.Formatter("%(asctime)s|%(levelname)s|%(message)s"))
        logger.addHandler(handler)
        logger.propagate = False

    class EntryScript:
        """What Azure gives a scoring script; every call returns the same object."""

        _instance: EntryScript | None = None

        def __new__(cls) -> EntryScript:  # noqa: PYI034 -- always the one object
            if cls._instance is None:
                cls._instance = super().__new__(cls)
            return cls._instance

        def __init__(self) -> None:
            self.logger = logger
            self.log_dir = os.path.dirname(log) if log else spec["cwd"]
            self.agent_name = spec.get("agent_name") or "process000"
            self.output_dir = spec.get("output_dir") or os.environ.get("AZUREML_BI_OUTPUT_PATH", "")
            self.working_dir = spec["cwd"]

    EntryScript.__module__ = "azureml_user.parallel_run"
    EntryScript.__qualname__ = "EntryScript"
    package: Any = type(sys)("azureml_user")
    package.__path__ = []
    package.parallel_run = type(sys)("azureml_user.parallel_run")
    package.parallel_run.EntryScript = EntryScript
    sys.modules["azureml_user"] = package
    sys.modules["azureml_user.parallel_run"] = package.parallel_run


def _add_load(module: ModuleType) -> None:
    """Give `mlflow.pyfunc` the name ``load`` that it once had."""
    if hasattr(module, "load") or not hasattr(module, "load_model"):
        return
    load_model: Callable[..., Any] = module.load_model
    warned: list[bool] = []

    def load(*args: Any, **kwargs: Any) -> Any:
        """Load a model; the old name of `load_model`."""
        if not warned:
            warned.append(True)
            logging.getLogger("batchmagic").warning(
                "mlflow.pyfunc.load does not exist in this MLflow; load_model is called in its place."
            )
        return load_model(*args, **kwargs)

    module.load = load  # type: ignore[attr-defined]


class _PyfuncFinder(importlib.abc.MetaPathFinder):
    """Adds the old name once `mlflow.pyfunc` has been imported, and steps aside."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002 -- as called
    ) -> ModuleSpec | None:
        """Return the real spec of `mlflow.pyfunc` with our loader around its own."""
        if fullname != _PYFUNC or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(fullname)
        if found is not None and found.loader is not None:
            found.loader = _PyfuncLoader(found.loader)
        return found


class _PyfuncLoader(importlib.abc.Loader):
    """The module's own loader, and then the old name."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Make the module as its own loader does."""
        made: ModuleType | None = self._real.create_module(spec)
        return made

    def exec_module(self, module: ModuleType) -> None:
        """Run the module as its own loader does, and add the name."""
        self._real.exec_module(module)
        _add_load(module)
