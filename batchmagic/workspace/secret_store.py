"""Values that nobody but the scoring processes may see: one 0600 file per deployment version or job."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from batchmagic.errors import WorkspaceError
from batchmagic.names import check_name
from batchmagic.workspace.folders import private_folder, write_private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_LONGEST = 200  # of a file name; a job's name may be as long as a file name can be


class SecretStore:
    """Dictionaries of text by key.

    The key of a job is its name, that of a deployment ``deployment.<endpoint>.<name>.<version>``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, key: str, values: Mapping[str, str]) -> None:
        """Keep `values` under `key` in place of what was there; an empty mapping leaves no file."""
        if not values:
            self.delete(key)
            return
        private_folder(self._folder)
        write_private(self.path(key), json.dumps(dict(values), sort_keys=True).encode())

    def get(self, key: str) -> dict[str, str]:
        """Return what `put` kept under `key`; an empty dictionary if nothing is there."""
        path = self.path(key)
        try:
            stored = json.loads(path.read_bytes())
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise WorkspaceError(
                f"{path} cannot be read ({type(error).__name__}).", target="workspace"
            ) from None
        return {str(name): str(value) for name, value in stored.items()}

    def delete(self, key: str) -> None:
        """Forget what is kept under `key`."""
        self.path(key).unlink(missing_ok=True)

    def path(self, key: str) -> Path:
        """Return the file that holds, or would hold, the values of `key`."""
        check_name("secret", key)
        if len(key) > _LONGEST:
            key = f"{key[:_LONGEST]}-{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        return self._folder / f"{key}.json"
