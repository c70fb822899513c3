"""Values that a cell has shown already, so that they are not shown again because they are the cell's last value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


class Silence:
    """What is kept here is not displayed before the next cell begins."""

    def __init__(self, shell: InteractiveShell) -> None:
        self._formatter: Any = shell.display_formatter.ipython_display_formatter  # type: ignore[union-attr]
        self._kept: dict[int, Any] = {}
        self._before: dict[type, Any] = {}

    def keep(self, value: Any) -> None:
        """Do not display the value in this cell any more."""
        kind = type(value)
        if kind not in self._before:
            self._before[kind] = self._formatter.for_type(kind, self._display)
        self._kept[id(value)] = value

    def forget(self) -> None:
        """Display everything again."""
        self._kept.clear()

    def close(self) -> None:
        """Take back what was changed in IPython."""
        self.forget()
        for kind, before in self._before.items():
            if before is None:
                self._formatter.pop(kind, None)
            else:
                self._formatter.for_type(kind, before)
        self._before.clear()

    def _display(self, value: Any) -> None:
        if self._kept.get(id(value)) is not value:
            raise NotImplementedError  # IPython's way to go on with the other formats
