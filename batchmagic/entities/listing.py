"""A list that shows itself as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from batchmagic.entities.base import Entity

T = TypeVar("T", bound="Entity")


class Listing(list[T]):
    """A list of entities of one kind, in every respect but its display a list.

    Attributes
    ----------
    kind
        Of the items: ``job``, ``endpoint``, …
    nothing
        What is shown when there is no item.
    """

    kind: str
    nothing: str

    def __init__(self, items: Iterable[T] = (), *, kind: str = "", nothing: str = "") -> None:
        super().__init__(items)
        self.kind = kind
        self.nothing = nothing
        self._rest: Iterator[T] | None = None

    def __next__(self) -> T:
        """Return the next item, as Azure's lists do, which are read once."""
        self._rest = self._rest or iter(self)
        return next(self._rest)

    next = __next__

    def by_page(self, continuation_token: str | None = None) -> Iterator[Iterator[T]]:  # noqa: ARG002 - Azure's
        """Return the pages, of which there is one."""
        yield iter(self)

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Listing[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | Listing[T]:
        if isinstance(index, slice):
            return Listing(super().__getitem__(index), kind=self.kind, nothing=self.nothing)
        return super().__getitem__(index)

    def document(self) -> dict[str, Any]:
        """Return the document of the list: as many items as are drawn, and how many there are."""
        from batchmagic.entities.documents import document_of  # noqa: PLC0415 - only what is displayed needs them
        from batchmagic.twins import MOST  # noqa: PLC0415

        return {
            "kind": f"{self.kind}-list",
            "items": [document_of(item) for item in self[:MOST]],
            "total": len(self),
            "nothing": self.nothing,
        }

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:  # noqa: ARG002
        from batchmagic.twins import bundle  # noqa: PLC0415

        return bundle(f"{self.kind}-list", self.document())

    # IPython has its own form for lists, which it prefers to the text of a bundle.
    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:  # noqa: FBT001, ARG002 - IPython's signature
        from batchmagic.twins import text  # noqa: PLC0415

        printer.text(text(f"{self.kind}-list", self.document()))
