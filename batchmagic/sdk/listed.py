"""Which of active and archived things a list shall show."""

from __future__ import annotations

from typing import Any

from batchmagic.constants import ListViewType
from batchmagic.entities.fields import squeezed
from batchmagic.errors import ValidationException

_ARCHIVED = {
    squeezed(ListViewType.ACTIVE_ONLY): False,
    squeezed(ListViewType.ARCHIVED_ONLY): True,
    squeezed(ListViewType.ALL): None,
}


def view_of(list_view_type: Any) -> bool | None:
    """Return whether archived things are listed: only they, only others, or (None) both.

    Raises
    ------
    ValidationException
        If it is none of Azure's three words.
    """
    if list_view_type is None:
        return False
    try:
        return _ARCHIVED[squeezed(list_view_type)]
    except KeyError:
        raise ValidationException(
            field="list_view_type",
            value=list_view_type,
            reason=f"is not one of {', '.join(ListViewType)}",
            hint="Leave it out to list what is active.",
        ) from None
