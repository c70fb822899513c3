"""``azureml.core`` where it is not installed: what scoring scripts of Azure's first years ask of it, and no more.

The package is old and heavy, and a script needs two things of it: the path of its model, and a run to log to.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType


class Model:
    """A registered model, of which a scoring process knows one: the deployment's."""

    _asked: str | None = None

    @classmethod
    def get_model_path(cls, model_name: str, version: int | None = None, _workspace: Any = None) -> str:  # noqa: ARG003
        """Return the path of the deployment's model, whatever it is registered as here.

        Raises
        ------
        LookupError
            If the deployment has no model, or a second one is asked for.
        """
        folder = os.environ.get("AZUREML_MODEL_DIR")
        if not folder:
            raise LookupError("Model.get_model_path({!r}): the deployment has no model".format(model_name))
        if cls._asked not in (None, model_name):
            raise LookupError(
                "Model.get_model_path({!r}): a deployment has one model, and that was asked for as {!r} before. "
                "Register both as one folder.".format(model_name, cls._asked)
            )
        cls._asked = model_name
        (child,) = os.listdir(folder)
        return os.path.join(folder, child)


class Run:
    """The job's run; what is logged to it goes to MLflow."""

    _context: Run | None = None

    def __init__(self) -> None:
        self.id = os.environ.get("AZUREML_RUN_ID", "")

    @classmethod
    def get_context(cls, **_options: Any) -> Run:
        """Return the run of the job, the same object every time."""
        if cls._context is None:
            cls._context = cls()
        return cls._context

    @property
    def parent(self) -> Run:
        """The run that this one belongs to, which here is the same."""
        return self

    def log(self, name: str, value: Any, description: str = "", step: int | None = None) -> None:  # noqa: ARG002
        """Log a number as a metric, anything else as a tag."""
        mlflow = _mlflow()
        if mlflow is None:
            return
        try:
            number = float(value)
        except (TypeError, ValueError):
            mlflow.set_tag(name, str(value))
        else:
            mlflow.log_metric(name, number, step=step)

    def log_list(self, name: str, value: Sequence[Any], description: str = "") -> None:
        """Log numbers as the steps of one metric."""
        for step, item in enumerate(value):
            self.log(name, item, description, step)

    def log_row(self, name: str, description: str = "", **values: Any) -> None:
        """Log named numbers as metrics ``name.key``."""
        for key, value in values.items():
            self.log("{}.{}".format(name, key), value, description)

    def tag(self, key: str, value: Any = None) -> None:
        """Set a tag."""
        mlflow = _mlflow()
        if mlflow is not None:
            mlflow.set_tag(key, "" if value is None else str(value))


_told: list[bool] = []


def _mlflow() -> Any:
    """Return MLflow; None where it is not installed, which is told once."""
    try:
        import mlflow
    except ImportError as error:
        if not _told:
            _told.append(True)
            text = "What Run logs is lost, as MLflow cannot be imported in this environment: %s"
            logging.getLogger("batchmagic").warning(text, error)
        return None
    return mlflow


_NAMES: dict[str, dict[str, Any]] = {
    "azureml": {},
    "azureml.core": {"Model": Model, "Run": Run},
    "azureml.core.model": {"Model": Model},
    "azureml.core.run": {"Run": Run},
}


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds our modules; asked last, it is asked only for what nobody has."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002 -- as called
    ) -> importlib.machinery.ModuleSpec | None:
        """Return the spec of one of our modules."""
        if fullname not in _NAMES:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, is_package=fullname in {"azureml", "azureml.core"}
        )

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its names."""
        vars(module).update(_NAMES[module.__name__])


def install() -> None:
    """Make the modules importable where no others of their names are."""
    for kind, name in ((Model, "azureml.core.model"), (Run, "azureml.core.run")):
        kind.__module__ = name
    sys.meta_path.append(_Finder())
