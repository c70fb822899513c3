"""Objects of a request as Azure's callers write them: keys in any letter case, each found once, each known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.errors import UnknownField, ValidationException
from batchmagic.redaction import redact_uris
from batchmagic.words import abridged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

OWNER = "The request"


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """A value of the request, and its place as the caller wrote it: ``properties.InputData.x.Uri``."""

    place: str
    value: Any

    def wrong(self, reason: str, *, hint: str = "") -> ValidationException:
        """Return the error that says `reason` of the value; credentials in it are hidden."""
        return ValidationException(field=self.place, value=_shown(self.value), reason=reason, hint=hint)

    def text(self) -> str:
        """Return the value, which is text.

        Raises
        ------
        ValidationException
            If it is not.
        """
        if not isinstance(self.value, str):
            raise self.wrong("must be text")
        return self.value

    def checked(self, check: Callable[[Any], object]) -> Any:
        """Return the value once `check` has passed it; what that raises names the place in the request."""
        try:
            check(self.value)
        except ValidationException as error:
            said = redact_uris(error.message.removeprefix(error.field).removeprefix(":").strip())
            raise ValidationException(
                f"{self.place}: {said}", field=self.place, value=_shown(self.value), hint=error.hint
            ) from None
        return self.value

    def items(self) -> dict[str, Given]:
        """Return what stands in the object under keys of the caller's own; null counts as nothing.

        Raises
        ------
        ValidationException
            If it is no object.
        """
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object")
        found = {key: Given(place=self._below(key), value=item) for key, item in self.value.items()}
        return {key: item for key, item in found.items() if item.value is not None}

    def fields(self, known: Iterable[str]) -> dict[str, Given]:
        """Return what stands in the object under `known` keys, whatever their letter case; null counts as nothing.

        Raises
        ------
        UnknownField
            For any other key.
        ValidationException
            If it is no object, or has a key in two spellings.
        """
        names = {loosely(name): name for name in known}
        found: dict[str, Given] = {}
        spelled: dict[str, str] = {}
        if not isinstance(self.value, dict):
            raise self.wrong("must be an object")
        for key, item in self.value.items():
            name = names.get(loosely(key))
            if name is None:
                near = [self._below(known_name) for known_name in names.values()]
                raise UnknownField(field=self._below(key), owner=OWNER, known=near)
            if name in spelled:
                raise ValidationException(
                    f"{self._below(key)} stands there as {spelled[name]!r} too.",
                    field=self._below(key),
                    hint="Give one of them.",
                )
            spelled[name] = key
            if item is not None:
                found[name] = Given(place=self._below(key), value=item)
        return found

    def _below(self, key: str) -> str:
        shown = abridged(redact_uris(key))
        return f"{self.place}.{shown}" if self.place else shown


def loosely(key: str) -> str:
    """Return a key without letter case and underscores: what `InputData`, `inputData` and `input_data` have in common."""
    return key.replace("_", "").lower()


def _shown(value: Any) -> Any:
    if isinstance(value, dict | list):
        return "{…}" if isinstance(value, dict) else "[…]"
    return redact_uris(value) if isinstance(value, str) else value
