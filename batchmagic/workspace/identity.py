"""Who a process is, so that it can be recognised later: a process id alone is used again by the system."""

from __future__ import annotations

import functools
import hashlib
import os
import signal
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

_HAS_PROC = Path("/proc/self/stat").exists()
_GONE = ("Z", "X", "x")  # a zombie has ended; only its parent has not looked yet


@dataclass(frozen=True, kw_only=True, slots=True)
class ProcessIdentity:
    """One process, told apart from every other one of any machine and time.

    Attributes
    ----------
    host
        Host name and a hash that tells machines of the same name apart.
    boot_id
        The boot of that machine and the name space of process ids, ``boot/namespace``.
    pid
        The process id in that name space.
    start_time
        When it started, in the system's own unit, as text.
    """

    host: str
    boot_id: str
    pid: int
    start_time: str


def current() -> ProcessIdentity:
    """Return the identity of this process."""
    return of_process(os.getpid())


def of_process(pid: int) -> ProcessIdentity:
    """Return the identity of the process that has `pid` on this machine now.

    Raises
    ------
    ProcessLookupError
        If there is none.
    """
    started = _start_time(pid)
    if started is None:
        raise ProcessLookupError(f"There is no process {pid}.")
    return ProcessIdentity(host=_host(), boot_id=_boot(), pid=pid, start_time=started)


def alive(identity: ProcessIdentity) -> bool | None:
    """Return whether the process runs; None when that cannot be seen from here (another machine or container)."""
    if _machine(identity.host) != _machine(_host()):
        return None
    if identity.boot_id == _boot():
        return _start_time(identity.pid) == identity.start_time
    if "/" not in _host():
        return None  # known by its name only, which may be that of many machines
    # The machine has restarted since; the same boot in another name space is a container beside this one.
    return False if _boot_part(identity.boot_id) != _boot_part(_boot()) else None


def send_signal(identity: ProcessIdentity, number: int) -> bool:
    """Send a signal to this very process; False, and nothing was sent, if it has ended or is not of this machine."""
    if not alive(identity):
        return False
    if not hasattr(os, "pidfd_open"):
        os.kill(identity.pid, number)
        return True
    try:
        descriptor = os.pidfd_open(identity.pid)
    except ProcessLookupError:
        return False
    try:
        # The descriptor stays with the process that had the number when it was made: is it the one that is meant?
        if not alive(identity):
            return False
        signal.pidfd_send_signal(descriptor, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def _machine(host: str) -> str:
    # The name of a laptop changes with its network.
    return host.partition("/")[2] or host


def _boot_part(boot_id: str) -> str:
    return boot_id.partition("/")[0]


def _start_time(pid: int) -> str | None:
    return _start_time_proc(pid) if _HAS_PROC else _start_time_psutil(pid)


def _start_time_proc(pid: int) -> str | None:
    # Ticks since boot do not move when the clock is set, unlike what psutil derives from them.
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = line[line.rindex(b")") + 2 :].split()
    return None if fields[0].decode() in _GONE else fields[19].decode()


def _start_time_psutil(pid: int) -> str | None:
    import psutil  # noqa: PLC0415 - not needed on Linux

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None


@functools.cache
def _host() -> str:
    name = socket.gethostname()
    if not _HAS_PROC:
        return f"{name}/{hashlib.sha256(_command('sysctl', '-n', 'kern.uuid').encode()).hexdigest()[:8]}"
    for source in ("/etc/machine-id", "/var/lib/dbus/machine-id"):
        machine = _read(Path(source))
        if machine:
            return f"{name}/{hashlib.sha256(machine.encode()).hexdigest()[:8]}"
    return name


@functools.cache
def _boot() -> str:
    if not _HAS_PROC:
        return _command("sysctl", "-n", "kern.bootsessionuuid") + "/"
    try:
        namespace = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        namespace = ""
    return f"{_read(Path('/proc/sys/kernel/random/boot_id'))}/{namespace}"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def _command(*arguments: str) -> str:
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()
