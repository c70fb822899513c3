"""How many cores and how much memory this process may use, as all who limit it say. Standard library only."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT = Path("/")
_UNLIMITED = 1 << 60
"""cgroup v1 writes "no limit" as a number near the largest that it can."""


def cores(*, root: Path = _ROOT, environ: Mapping[str, str] = os.environ) -> int:
    """Return the whole cores that this process may use, at least 1.

    The least of: the machine's, those of the CPU affinity, the quota of every enclosing control
    group (v1 and v2), and ``CPU_LIMIT``, which JupyterHub sets.
    """
    limits: list[float] = [_affinity()]
    for folder in _groups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        limits += _quotient(quota, period)
        limits += _quotient(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
    limits += _number(environ.get("CPU_LIMIT", ""))
    return max(1, int(min(limits)))


def memory_bytes(*, root: Path = _ROOT, environ: Mapping[str, str] = os.environ) -> int:
    """Return the bytes of memory that this process and its children may use together.

    The least of: the machine's, the limit of every enclosing control group (v1 and v2), and
    ``MEM_LIMIT``, which JupyterHub sets.
    """
    limits: list[float] = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
            limits += _number(_read(folder / name))
    limits += _number(environ.get("MEM_LIMIT", ""))
    return int(min(limits))


def _affinity() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups that this process is in, up to the mount."""
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            yield from _upwards(mount, path)
        elif controller in controllers.split(","):
            yield from _upwards(mount / controllers, path)
            yield from _upwards(mount / controller, path)


def _upwards(mount: Path, path: str) -> Iterator[Path]:
    """Yield the folder of `path` and those above it; inside a container only the mount may be there."""
    parts = [p for p in path.split("/") if p not in {"", ".", ".."}]
    for depth in range(len(parts), -1, -1):
        yield mount.joinpath(*parts[:depth])


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""  # this kernel or container does not have it


def _quotient(quota: str, period: str) -> list[float]:
    """Return the quota in cores, or nothing where there is none."""
    above, below = _number(quota), _number(period)
    return [above[0] / below[0]] if above and below else []


def _number(text: str) -> list[float]:
    """Return the positive number that `text` is, or nothing: ``max``, -1, empty and other words are no limit."""
    try:
        number = float(text)
    except ValueError:
        return []
    return [number] if 0 < number < _UNLIMITED else []
