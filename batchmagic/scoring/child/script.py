"""The user's scoring script as a module, and what of it is called."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from typing import TYPE_CHECKING, Any

from . import results

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType


class MiniBatchContext:
    """What a ``run(mini_batch, mini_batch_context)`` gets beside the files.

    Attributes
    ----------
    minibatch_index
        The number of the mini-batch in the job, from 0; the same in every attempt.
    dataset_name, partition_key_value
        None: they are about other kinds of input than files.
    """

    dataset_name = None
    partition_key_value = None

    def __init__(self, minibatch_index: int) -> None:
        self.minibatch_index = minibatch_index


def _takes_context(run: Any) -> bool:
    """Whether ``run`` must be given a second argument, or calls one by its name in Azure."""
    try:
        parameters = list(inspect.signature(run).parameters.values())
    except (TypeError, ValueError):
        # Of a builtin, for example.
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) > 1 and (
        places[1].default is places[1].empty or places[1].name == "mini_batch_context"
    )


class ScriptEntry:
    """A scoring script: `load`, `init`, `run` and `shutdown`, in that order."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self._script: str = spec["script"]
        self._code_dir: str = spec.get("code_dir") or os.path.dirname(self._script)
        #: What errors call the script, by its path, where that is not its path.
        self.titles: dict[str, str] = {self._script: spec["script_title"]} if spec.get("script_title") else {}
        self._module: ModuleType | None = None
        self.run_function: Any = None
        self._wants_context = False
        #: A script does not say which of its files it is at.
        self.file: str | None = None
        roots = [self._code_dir, os.path.dirname(self._script), os.environ.get("AZUREML_MODEL_DIR")]
        self.roots = tuple(r for r in roots if r)

    def load(self) -> None:
        """Import the script, siblings importable, under its own name where that is free.

        Raises
        ------
        AttributeError
            If it defines no ``run``.
        """
        folder = os.path.dirname(self._script)
        if folder != self._code_dir:
            sys.path.insert(0, folder)
        sys.path.insert(0, self._code_dir)
        importlib.invalidate_caches()
        name = os.path.splitext(os.path.basename(self._script))[0]
        if name in sys.modules or name in sys.builtin_module_names:
            name = f"scoring_script_{name}"
        found = importlib.util.spec_from_file_location(name, self._script)
        if found is None or found.loader is None:
            raise ImportError(f"{os.path.basename(self._script)} is no Python file", path=self._script)
        module = sys.modules[name] = importlib.util.module_from_spec(found)
        found.loader.exec_module(module)
        self._module = module
        self.run_function = getattr(module, "run", None)
        if not callable(self.run_function):
            name = self.titles.get(self._script) or os.path.basename(self._script)
            raise AttributeError(f"{name} defines no function run(mini_batch)")  # noqa: TRY004 -- it is missing
        self._wants_context = _takes_context(self.run_function)

    def init(self) -> None:
        """Call the script's ``init()`` if it has one."""
        self._call("init")

    def run(self, files: list[str], mini_batch: int) -> results.Result:
        """Return what the script's ``run`` returned for a mini-batch, checked and without generators."""
        if self._wants_context:
            return results.check(self.run_function(files, MiniBatchContext(mini_batch)))
        return results.check(self.run_function(files))

    def items(self, result: results.Result, files: list[str]) -> int:  # noqa: ARG002 -- MLflow's counts files
        """Return how many items count as succeeded: as many as rows came back."""
        return result.rows

    def shutdown(self) -> None:
        """Call the script's ``shutdown()`` if it has one."""
        self._call("shutdown")

    def _call(self, name: str) -> None:
        function: Callable[[], object] | None = getattr(self._module, name, None)
        if callable(function):
            function()
