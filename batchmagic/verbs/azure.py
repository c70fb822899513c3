"""``azure on`` and ``azure off``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from batchmagic.errors import UsageError
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context

_NAMES = ("azure.ai.ml", "azure.identity")
_MOST = 8


def on(context: Context) -> Outcome:
    """Let Azure's names mean this package in this kernel."""
    from batchmagic import azure  # noqa: PLC0415

    _check_kernel(context)
    azure.install()
    _tell_of_old_names(context, _NAMES, "Azure's own")
    return Outcome(
        document={"azure": "on"},
        text="`import azure.ai.ml` and `azure.identity` now mean batchmagic in this kernel.",
    )


def off(context: Context) -> Outcome:
    """Let Azure's names mean Azure's packages again."""
    from batchmagic import azure  # noqa: PLC0415

    _check_kernel(context)
    was_on = azure.is_installed()
    azure.uninstall()
    if was_on:
        _tell_of_old_names(context, ("batchmagic",), "batchmagic's")
    return Outcome(
        document={"azure": "off"},
        text="`import azure.ai.ml` and `azure.identity` now mean Azure's own packages.",
    )


def _check_kernel(context: Context) -> None:
    if not context.command.startswith("%"):
        raise UsageError(
            "Azure's names can be turned in a notebook's kernel only.",
            target="azure",
            hint="In a script: `import batchmagic.azure; batchmagic.azure.install()` before its imports.",
        )


def _tell_of_old_names(context: Context, homes: tuple[str, ...], whose: str) -> None:
    """Say which names of the notebook were imported before and mean the other package still."""
    names = [name for name, value in vars(sys.modules["__main__"]).items() if _is_from(value, homes)]
    shown = sorted(name for name in names if not name.startswith("_"))
    if shown:
        more = f" and {len(shown) - _MOST} more" if len(shown) > _MOST else ""
        context.face.note(
            f"Still {whose}, as they were imported or made before: {', '.join(shown[:_MOST])}{more}. "
            "Run those cells again."
        )


def _is_from(value: object, homes: tuple[str, ...]) -> bool:
    home = getattr(value, "__module__", None)
    # An object has the module of its class, a module only its own name.
    named = home if isinstance(home, str) else getattr(value, "__name__", "")
    return isinstance(named, str) and any(named == known or named.startswith(f"{known}.") for known in homes)
