"""What all of our exceptions share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def _rebuild(cls: type[BatchMagicError], state: dict[str, Any]) -> BatchMagicError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class BatchMagicError(Exception):
    """Something went wrong in batchmagic."""

    code = "error"
    status = 500
    way_out = ""  # what to do next, where nothing better can be said

    def __init__(self, message: str | None = None, *, target: str | None = None, hint: str = "") -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split("\n\n")[0].split())
        self.target = target
        self.hint = hint or self.way_out
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., BatchMagicError], tuple[type[BatchMagicError], dict[str, Any]]]:
        return _rebuild, (type(self), self.__dict__)
