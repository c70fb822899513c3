"""Limits of cores and memory are found wherever they are set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from batchmagic.capacity import cores, memory_bytes
from batchmagic.processes import python_environment

MACHINE_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
MACHINE_BYTES = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
GIB = 1 << 30


@pytest.fixture
def system(tmp_path):
    """Return a function that writes system files and returns the root that holds them."""

    def write(files: dict[str, str]):
        for name, text in files.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text + "\n")
        return tmp_path

    return write


def test_without_limits_it_is_the_machine(system):
    root = system({})
    assert cores(root=root, environ={}) == MACHINE_CORES
    assert memory_bytes(root=root, environ={}) == MACHINE_BYTES


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "100000 100000"},
        {"proc/self/cgroup": "0::/pod/me", "sys/fs/cgroup/pod/me/cpu.max": "150000 100000"},
        {
            "proc/self/cgroup": "0::/pod/me",
            "sys/fs/cgroup/pod/me/cpu.max": "max 100000",
            "sys/fs/cgroup/pod/cpu.max": "100000 100000",
        },
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/1",
            "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us": "100000",
        },
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/docker/1",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "20000 100000"},
    ],
    ids=["v2", "v2-nested", "v2-parent", "v1", "v1-in-container", "less-than-one"],
)
def test_cpu_quota_of_a_control_group(system, files):
    assert cores(root=system(files), environ={}) == 1


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/", "sys/fs/cgroup/cpu.max": "max 100000"},
        {"proc/self/cgroup": "4:cpu:/", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"},
        {"proc/self/cgroup": "nonsense", "sys/fs/cgroup/cpu.max": "0 0"},
    ],
)
def test_no_quota_is_no_limit(system, files):
    assert cores(root=system(files), environ={}) == MACHINE_CORES


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/pod", "sys/fs/cgroup/pod/memory.max": str(GIB)},
        {
            "proc/self/cgroup": "0::/pod",
            "sys/fs/cgroup/pod/memory.max": "max",
            "sys/fs/cgroup/memory.max": str(GIB),
        },
        {"proc/self/cgroup": "9:memory:/d", "sys/fs/cgroup/memory/d/memory.limit_in_bytes": str(GIB)},
    ],
    ids=["v2", "v2-parent", "v1"],
)
def test_memory_limit_of_a_control_group(system, files):
    assert memory_bytes(root=system(files), environ={}) == GIB


def test_v1_s_no_limit_is_none(system):
    root = system(
        {
            "proc/self/cgroup": "9:memory:/",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
        }
    )
    assert memory_bytes(root=root, environ={}) == MACHINE_BYTES


def test_limits_of_a_hub(system):
    root = system({})
    assert cores(root=root, environ={"CPU_LIMIT": "1.0"}) == 1
    assert memory_bytes(root=root, environ={"MEM_LIMIT": str(GIB)}) == GIB
    assert cores(root=root, environ={"CPU_LIMIT": ""}) == MACHINE_CORES
    assert memory_bytes(root=root, environ={"MEM_LIMIT": "none"}) == MACHINE_BYTES


def test_affinity_counts(system):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system has no CPU affinity")
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); import batchmagic.capacity as c; print(c.cores(environ={}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=python_environment()
    )
    assert done.stdout == "1\n"
