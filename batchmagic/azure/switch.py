"""Turns Azure's module names to this package and back, in this process."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from batchmagic.azure import bridge
from batchmagic.azure.names import FILLED, MODULES, OWN, names_of, refusal, value_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec


def install() -> None:
    """Make ``import azure.ai.ml`` and ``azure.identity`` resolve to this package from now on.

    It does not matter whether Azure's own packages are installed. What was imported from them before
    stays what it is; import it again. A second call changes nothing.
    """
    if is_installed():
        return
    _FINDER.stashed = _take_away()
    sys.meta_path.insert(0, _FINDER)
    bridge.build()


def uninstall() -> None:
    """Undo `install`: Azure's own packages, where they are installed, are found again."""
    if not is_installed():
        return
    sys.meta_path.remove(_FINDER)
    bridge.remove()
    _take_away(filled=True)
    for name, module in _FINDER.stashed.items():
        sys.modules[name] = module
        parent, _, last = name.rpartition(".")
        if parent in sys.modules:
            setattr(sys.modules[parent], last, module)
    _FINDER.stashed = {}


def is_installed() -> bool:
    """Return whether Azure's names mean this package now."""
    return _FINDER in sys.meta_path


class _Module(ModuleType):
    """A module whose names are fetched when they are asked for."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return list(names_of(self.__name__)) if self.__name__ in MODULES else []
        return value_of(self.__name__, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *names_of(self.__name__)})


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds what is ours; leaves alone what is Azure's."""

    stashed: dict[str, ModuleType]

    def __init__(self) -> None:
        self.stashed = {}

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,  # noqa: ARG002 - as called
    ) -> ModuleSpec | None:
        """Return the spec of a module that is ours.

        Raises
        ------
        ModuleNotSupported
            For one that only Azure's package has.
        """
        if fullname in MODULES:
            return self._spec(fullname)
        if _is_own(fullname):
            raise refusal(fullname)
        if fullname in FILLED and importlib.machinery.PathFinder.find_spec(fullname, path) is None:
            return self._spec(fullname)
        return None

    def _spec(self, name: str) -> ModuleSpec:
        return importlib.machinery.ModuleSpec(name, self, origin="batchmagic", is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return an empty module."""
        return _Module(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: names are fetched when they are asked for."""


def _is_own(name: str) -> bool:
    return any(name == own or name.startswith(f"{own}.") for own in OWN)


def _take_away(*, filled: bool = False) -> dict[str, ModuleType]:
    """Remove the modules that are not to be found, and return them; `filled`: also those that we filled in."""
    taken = {}
    for name, module in list(sys.modules.items()):
        ours = filled and name in FILLED and isinstance(module, _Module)
        if _is_own(name) or ours:
            taken[name] = sys.modules.pop(name)
            parent, _, last = name.rpartition(".")
            vars(sys.modules[parent]).pop(last, None) if parent in sys.modules else None
    return taken


_FINDER = _Finder()
