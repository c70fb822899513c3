"""Loading and unloading: ``%load_ext batchmagic``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.magics.batch import BatchMagic

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_NAME = "batch"


def load(shell: InteractiveShell) -> None:
    """Give the shell ``%batch`` and its completion; a second time changes nothing."""
    if _loaded(shell) is not None:
        return
    magic = BatchMagic(shell)
    shell.register_magics(magic)  # `Magics` has told `%config` of it already
    shell.events.register("pre_run_cell", magic.new_cell)
    shell.events.register("post_run_cell", magic.end_cell)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(magic.matcher)


def unload(shell: InteractiveShell) -> None:
    """Take back what `load` did; jobs go on."""
    magic = _loaded(shell)
    if magic is None:
        return
    shell.events.unregister("pre_run_cell", magic.new_cell)
    shell.events.unregister("post_run_cell", magic.end_cell)
    magic.silence.close()
    known: list[Any] = shell.configurables  # IPython's own type for it is too narrow
    known[:] = [one for one in known if one is not magic]
    if shell.Completer is not None and magic.matcher in shell.Completer.custom_matchers:
        shell.Completer.custom_matchers.remove(magic.matcher)
    shell.magics_manager.registry.pop(type(magic).__name__, None)
    for kind in ("line", "cell"):
        shell.magics_manager.magics[kind].pop(_NAME, None)


def _loaded(shell: InteractiveShell) -> BatchMagic | None:
    found = shell.magics_manager.registry.get(BatchMagic.__name__)
    return found if isinstance(found, BatchMagic) else None
