"""Entities as callers give them: ours, a dictionary, or Azure's own object of the same shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from batchmagic.entities.foreign import is_foreign
from batchmagic.errors import ValidationException

if TYPE_CHECKING:
    from batchmagic.entities import Entity

E = TypeVar("E", bound="Entity")


def entity_of(kind: type[E], given: Any) -> E:
    """Return `given` as an entity of that kind, a copy that later changes of the caller's cannot touch.

    Raises
    ------
    ValidationException
        If it is something else.
    """
    if isinstance(given, kind):
        return given.model_copy(deep=True)
    if isinstance(given, Mapping) or is_foreign(given):
        return kind.from_dict(given)
    raise ValidationException(
        field=kind.__name__, value=given, reason=f"is no {kind.__name__}", hint=f"Pass a {kind.__name__}."
    )
