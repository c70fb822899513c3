"""The workspace's own datastore: a folder in it, under the name that Azure gives its default one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.errors import ResourceNotFoundError
from batchmagic.names import safe_join

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_STORE = "workspaceblobstore"


def store_path(root: Path, name: str, inner: str | None = None) -> Path:
    """Return where a path inside the datastore is; nothing need be there.

    Parameters
    ----------
    root
        The workspace.

    Raises
    ------
    ResourceNotFoundError
        If the datastore is not the workspace's own.
    """
    if name != DEFAULT_STORE:
        raise ResourceNotFoundError(kind="datastore", name=name, known=[DEFAULT_STORE])
    return safe_join(root / "datastores" / name, *[part for part in (inner or "").split("/") if part])
