"""Finds the processes of a job by what they are for, and kills one of them."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from main_job_support import Lab

ROLES = ("scoring", "template", "worker", "host", "supervisor")


def processes(lab: Lab, role: str, compute: str) -> list[int]:
    """Return the processes that have a role at the moment, perhaps none."""
    if role == "supervisor":
        pid = lab.supervisor(compute)
        return [pid] if psutil.pid_exists(pid) else []
    holder = lab.holder(compute)
    if holder is None:
        return []
    host = psutil.Process(holder.identity.pid)
    if role == "host":
        return [host.pid]
    workers = [p for p in host.children() if "batchmagic.compute.worker" in p.cmdline()]
    if role == "worker":
        return [p.pid for p in workers]
    templates = [child for worker in workers for child in worker.children()]
    if role == "template":
        return [p.pid for p in templates]
    return [child.pid for template in templates for child in template.children()]


def kill_one(lab: Lab, role: str, compute: str, rng) -> bool:
    """Kill a process that has the role; False if there is none now."""
    try:
        found = sorted(processes(lab, role, compute))
        if not found:
            return False
        os.kill(rng.choice(found), signal.SIGKILL)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return False
    return True
