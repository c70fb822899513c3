from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from story_support import Notebook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def project(module_workspace) -> Path:
    """The folder of a project, whose workspace the first cell that writes makes; its hosts are gone afterwards."""
    folder: Path = module_workspace.root.parent / "project"
    folder.mkdir()
    module_workspace.root = folder / ".batchmagic"
    return folder


@pytest.fixture(scope="module")
def notebook(project: Path) -> Iterator[Notebook]:
    """A notebook in the project that has loaded the extension."""
    with Notebook(project) as found:
        found.run("%load_ext batchmagic")
        yield found
