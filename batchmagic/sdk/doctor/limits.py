"""What the system lets a process use."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic import capacity
from batchmagic.sdk.doctor.finding import Finding, look, ok
from batchmagic.words import counted, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILES, _PROCESSES = 1024, 512
_SHARED = 64 << 20
_MEMORY = 1 << 30


def findings() -> Iterator[Finding]:
    """Yield the limits of this process, which those of its jobs are."""
    yield _limit("open files", resource.RLIMIT_NOFILE, _FILES, "ulimit -n 4096")
    if hasattr(resource, "RLIMIT_NPROC"):
        yield _limit("processes", resource.RLIMIT_NPROC, _PROCESSES, "ulimit -u 4096")
    shared = Path("/dev/shm")  # noqa: S108 - looked at, not written
    if shared.is_dir():
        yield _shared(shared)
    yield from _memory()
    cores, all_cores = capacity.cores(), os.cpu_count() or 1
    limited = f" of the machine's {all_cores}" if cores < all_cores else ""
    yield ok("cores", f"{cores}{limited}: as many mini-batches at a time, unless a deployment says otherwise")


def _limit(subject: str, kind: int, least: int, do: str) -> Finding:
    soft, hard = resource.getrlimit(kind)
    if soft == resource.RLIM_INFINITY:
        return ok(subject, "no limit")
    if soft < least:
        more = (
            ""
            if hard == soft
            else f" (up to {'any number' if hard == resource.RLIM_INFINITY else f'{hard:,}'})"
        )
        return look(subject, f"at most {soft:,}{more}, where many slots need {least:,}", do=do)
    return ok(subject, f"at most {soft:,}")


def _shared(folder: Path) -> Finding:
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    if free < _SHARED:
        return look(
            "shared memory",
            f"{size_text(free)} free in {folder}; scripts that share arrays between processes fail there",
            do="docker run --shm-size=1g …",
        )
    return ok("shared memory", f"{size_text(free)} free in {folder}")


def _memory() -> Iterator[Finding]:
    usable = capacity.memory_bytes()
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limited = f" of the machine's {size_text(machine)}" if usable < machine else ""
    text = f"{size_text(usable)}{limited} for all processes"
    if usable < _MEMORY:
        yield look("memory", text, do="batchmagic deployment update E/D --set max_concurrency_per_instance=1")
    else:
        yield ok("memory", text)
    if counted_oom := _killed():
        yield look(
            "memory",
            f"the system has killed {counted(counted_oom, 'process')} of this control group for lack of memory",
            do="batchmagic deployment update E/D --set max_concurrency_per_instance=1",
        )


def _killed() -> int:
    try:
        lines = Path("/sys/fs/cgroup/memory.events").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
