"""A document that shows itself, where there is no object behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping


class Shown:
    """What a verb found out, as a twin of the given kind.

    Attributes
    ----------
    document
        What is shown.
    """

    def __init__(self, kind: str, document: Mapping[str, Any]) -> None:
        self.kind = kind
        self.document = dict(document)

    def __repr__(self) -> str:
        from batchmagic.twins import text  # noqa: PLC0415 - only what is displayed needs them

        return text(self.kind, self.document)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        from batchmagic.twins import bundle  # noqa: PLC0415

        return bundle(self.kind, self.document)
