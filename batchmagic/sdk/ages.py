"""Durations as people write them."""

from __future__ import annotations

import re
from datetime import timedelta

from batchmagic.errors import ValidationException

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks", "": "days"}


def age(text: str, *, field: str = "--older-than") -> timedelta:
    """Return the duration that ``30d``, ``12h`` or ``2w`` says; a number alone is days.

    Raises
    ------
    ValidationException
        If it says none.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ValidationException(
            field=field, value=text, reason="is no age", hint="Write for example 30d, 12h or 2w."
        )
    try:
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError as error:
        raise ValidationException(field=field, value=text, reason="is too long an age") from error
