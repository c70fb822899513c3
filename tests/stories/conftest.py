from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from story_support import Notebook

from batchmagic.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def workspace(session_workspace) -> Path:
    """The workspace that all notebooks here share: one host serves them all, as long as it has something to do."""
    root: Path = session_workspace.root.parent / "projects" / ".batchmagic"
    root.parent.mkdir()
    # Without it each notebook would make one beside itself.
    Workspace.find(root, create=True).close()
    session_workspace.root = root
    return root


@pytest.fixture(scope="module")
def project(workspace: Path, request: pytest.FixtureRequest) -> Path:
    """A folder for a module's notebooks and data, below the one that the workspace is in."""
    folder = workspace.parent / request.module.__name__
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def notebook(project: Path) -> Iterator[Notebook]:
    """A notebook in the project that has loaded the extension."""
    with Notebook(project) as found:
        found.run("%load_ext batchmagic")
        yield found
