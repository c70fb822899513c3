"""What a caller from outside may read or name: declared folders, and addresses that stand for declared folders."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

from batchmagic.errors import NotDeclared, ValidationException
from batchmagic.redaction import redact_uris
from batchmagic.sdk.addresses import Address, is_address
from batchmagic.workspace.datastores import DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_LONGEST, _LONGEST_PART = 4096, 255
_WAY_OUT = (
    "Name registered data, or have the place declared by whoever runs the server (`--root`, `--url-prefix`)."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """A place that a caller may use.

    Attributes
    ----------
    path
        Absolute, without links.
    within
        The folder, without links, that links in it must not leave.
    reference
        What it was called, without the query of an address, in which a signature may be.
    """

    path: Path
    within: Path
    reference: str


@dataclass(frozen=True)
class Access:
    """The limits of one caller; a person at this machine has none (`Access.free`).

    Whatever is refused is refused in the same words whether it exists or not, and without a look at it: a path must
    begin with a declared root as it is written, and the file that it leads to must lie in one.

    Parameters
    ----------
    roots
        Folders that inputs, and paths in definitions, may lie in.
    output_roots
        Folders that outputs may lie in.
    prefixes
        The beginning of an address to the folder that stands for it, such as a mount of the container: nothing is
        ever fetched for a caller.
    endpoint
        The only endpoint that the caller knows.
    is_limited
        False: all of the above means nothing.

    Raises
    ------
    ValidationException
        For a root that is not absolute, or a prefix that is none.
    """

    roots: Sequence[Path] = ()
    output_roots: Sequence[Path] = ()
    prefixes: Mapping[str, Path] = field(default_factory=dict)
    endpoint: str | None = None
    is_limited: bool = True

    def __post_init__(self) -> None:
        for place in (*self.roots, *self.output_roots, *self.prefixes.values()):
            if not Path(place).is_absolute() or ".." in Path(place).parts:
                raise ValidationException(
                    field="root", value=str(place), reason="is not an absolute path", hint="Write it in full."
                )
        for prefix in self.prefixes:
            if Address.parsed(prefix) is None:
                raise ValidationException(
                    field="url_prefix",
                    value=redact_uris(prefix),
                    reason="is not the beginning of an address",
                    hint="Write it like https://account.blob.core.windows.net/container/.",
                )

    @classmethod
    def free(cls) -> Self:
        """Return the access of whoever may read everything anyway."""
        return cls(is_limited=False)

    def knows(self, endpoint: str) -> bool:
        """Return whether the endpoint exists for the caller."""
        return self.endpoint is None or self.endpoint.lower() == endpoint.lower()

    def input(self, text: str, workspace: Path) -> Place:
        """Return the place that a path or a declared address means as an input; it need not be there.

        Raises
        ------
        NotDeclared
            If callers have not been given it.
        """
        return self._readable(text, "input", workspace, (_store(workspace),))

    def output(self, text: str, workspace: Path) -> Place:
        """Return the place that a path or a declared address means as an output.

        Raises
        ------
        NotDeclared
            If callers have not been given it.
        """
        roots = (*self.output_roots, _store(workspace))
        path, reference = self.mapped(text) or (text, text)
        return _Request(text, "output", reference).place(path, roots, workspace, (_store(workspace),))

    def definition(self, text: str, target: str, workspace: Path) -> Place:
        """Return the place that a path or a declared address means in a definition.

        Raises
        ------
        NotDeclared
            If callers have not been given it, or a link in it leads to what they have not been given.
        """
        place = self._readable(text, target, workspace, (_store(workspace), workspace / "assets"))
        if _real(workspace).is_relative_to(place.path):
            raise refused(text, target)
        check_links(place, target)
        return place

    def begins_with_root(self, text: str) -> bool:
        """Return whether a path is written as one in a declared root, wherever it leads."""
        roots = {place for root in self.roots for place in (Path(root), _real(Path(root)))}
        return self.mapped(text) is not None or any(Path(text).is_relative_to(root) for root in roots)

    def mapped(self, text: str) -> tuple[str, str] | None:
        """Return the path that stands for an address, and the address as it may be stored; None if it is not declared."""
        address = Address.parsed(text) if is_address(text) else None
        known = [(Address.parsed(prefix), folder) for prefix, folder in self.prefixes.items()]
        fitting = [
            (found, folder) for found, folder in known if address and found and address.begins_with(found)
        ]
        if address is None or not fitting:
            return None
        longest, folder = max(fitting, key=lambda item: len(item[0].parts))
        return "/".join([str(folder), *address.parts[len(longest.parts) :]]), str(address)

    def _readable(self, text: str, target: str, workspace: Path, own: tuple[Path, ...]) -> Place:
        found = self.mapped(text)
        if found is None:
            return _Request(text, target, text).place(text, (*self.roots, *own), workspace, own)
        path, reference = found
        return _Request(text, target, reference).place(path, self.prefixes.values(), workspace, own)


@dataclass(frozen=True, slots=True)
class _Request:
    """One text of a caller's, and what is said of it."""

    text: str
    target: str
    reference: str

    def place(self, path: str, roots: Iterable[Path], workspace: Path, own: Iterable[Path]) -> Place:
        """Return where `path` leads if that lies in one of `roots`, and in none but `own` folders of the workspace."""
        written = Path(self._plain(path))
        known = [(Path(root), _real(Path(root))) for root in roots]
        # By its writing alone first: whether anything else exists, and where it leads, is not even looked at.
        if not any(written.is_relative_to(root) or written.is_relative_to(real) for root, real in known):
            raise refused(self.text, self.target)
        leads_to, home = _real(written), _real(workspace)
        if leads_to.is_relative_to(home) and not any(leads_to.is_relative_to(_real(f)) for f in own):
            raise refused(self.text, self.target)
        for _, real in known:
            if leads_to.is_relative_to(real):
                return Place(path=leads_to, within=real, reference=self.reference)
        raise refused(self.text, self.target)

    def _plain(self, path: str) -> str:
        """Return an absolute path as it is written; nothing is expanded, and nothing is seen from anywhere."""
        try:
            if path.lower().startswith("file:"):
                path = _of_file_uri(path)
            parts = path.split("/")
            sizes = [len(os.fsencode(part)) for part in parts]
        except ValueError:  # of broken URIs, and of characters that no file's name can have
            raise refused(self.text, self.target) from None
        odd = ".." in parts or "\\" in path or any(not char.isprintable() for char in path)
        if (
            not path.startswith("/")
            or odd
            or max(sizes) > _LONGEST_PART
            or sum(sizes) + len(sizes) > _LONGEST
        ):
            raise refused(self.text, self.target)
        return f"/{'/'.join(part for part in parts if part not in {'', '.'})}"


def refused(text: str, target: str) -> NotDeclared:
    """Return the one answer to whatever has not been declared; it does not tell whether there is such a thing."""
    shown = redact_uris(text.partition("?")[0])
    shown = shown if len(shown) <= _LONGEST_PART else f"{shown[:_LONGEST_PART]}…"
    return NotDeclared(f"{target}: {shown!r} is no place that callers may use.", target=target, hint=_WAY_OUT)


def _of_file_uri(text: str) -> str:
    parts = urlsplit(text)
    if parts.netloc.lower() not in {"", "localhost"}:
        raise ValueError
    return unquote(parts.path, errors="strict")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _store(workspace: Path) -> Path:
    return workspace / "datastores" / DEFAULT_STORE


def check_links(place: Place, target: str) -> None:
    """Pass when no link in the folder leads out of where callers may read: what is copied follows links.

    Raises
    ------
    NotDeclared
        If one does.
    """
    seen = {place.path}
    folders = [place.path] if place.path.is_dir() else []
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                real = _real(Path(entry.path)) if entry.is_symlink() else Path(entry.path)
                if not real.is_relative_to(place.within):
                    raise refused(place.reference, target)
                if real.is_dir() and real not in seen:
                    seen.add(real)
                    folders.append(real)
