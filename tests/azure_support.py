"""The interpreter that has Azure's own packages beside ours (`make test` makes it)."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHON = ROOT / ".venv-azure" / "bin" / "python"


def with_azure(*arguments: str, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    """Run that interpreter, and return what it printed; it is a failure if it fails."""
    assert PYTHON.exists(), "The second environment is missing: `make .venv-azure/.ready` makes it."
    done = subprocess.run(
        [PYTHON, *arguments], cwd=cwd, text=True, capture_output=True, timeout=110, check=False, **options
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
