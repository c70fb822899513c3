"""Nobody but the owner gets at a compute, and no process outlives its host."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from compute_support import listening, tree, wait_until_gone

import batchmagic
from batchmagic.compute import tls
from batchmagic.processes import python_environment

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's process tables")

HOST = """
import sys
from pathlib import Path
Path(sys.argv[2]).open("a").write("imported\\n")
from batchmagic.compute.local import LocalInstances
compute = LocalInstances(Path(sys.argv[1]), nthreads=1)
compute.start()
compute.scale_to(2)
print(*(i.pid for i in compute.wait(2, timeout=20)), flush=True)
print("bokeh" in sys.modules or "distributed.dashboard" in sys.modules, flush=True)
sys.stdin.read()
"""


@linux_only
def test_nothing_listens_beyond_the_loopback(compute):
    compute.scale_to(2)
    compute.wait(2, timeout=20)
    found = listening([os.getpid(), *(p.pid for p in tree())])
    assert found == ["127.0.0.1"] * 3  # the scheduler and two workers, and no web server of theirs


def test_connection_needs_this_cluster_s_certificate(compute, tmp_path):
    compute.scale_to(1)
    (instance,) = compute.wait(1, timeout=20)
    own = tls.Credentials(
        **{
            k: tmp_path / "compute" / "tls" / f"{v}.pem"
            for k, v in (("authority", "ca"), ("certificate", "cert"), ("key", "key"))
        }
    )
    other = tls.issue(tmp_path / "other")
    for address in (compute.client.scheduler.address, instance.address):
        host, port = address.removeprefix("tls://").split(":")
        assert says_hello(host, int(port), own)
        assert not says_hello(host, int(port), other)
        assert not says_hello(host, int(port), None)
        with socket.create_connection((host, int(port)), timeout=5) as plain:
            plain.sendall(b"\0" * 64)
            assert is_closed(plain)


def says_hello(host: str, port: int, credentials: tls.Credentials | None) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if credentials is not None:
        context.load_cert_chain(credentials.certificate, credentials.key)
    try:
        with (
            socket.create_connection((host, port), timeout=5) as plain,
            context.wrap_socket(plain) as secured,
        ):
            return bool(secured.recv(1))  # Dask speaks first
    except (ssl.SSLError, ConnectionError):
        return False


def is_closed(connection: socket.socket) -> bool:
    try:
        while chunk := connection.recv(4096):
            assert chunk[0] == 21, "not a TLS alert"  # what comes before the end is a refusal
    except ConnectionError:
        pass
    return True


def test_credentials_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        found = tls.issue(tmp_path / "tls")
        again = tls.issue(tmp_path / "tls")
    finally:
        os.umask(before)
    assert found == again
    files = sorted((tmp_path / "tls").iterdir())
    assert files == sorted([found.authority, found.certificate, found.key])
    assert [f.stat().st_mode & 0o777 for f in files] == [0o600] * 3
    assert (tmp_path / "tls").stat().st_mode & 0o777 == 0o700


@pytest.fixture
def host(tmp_path):
    """A process with a compute of two instances; its workers' pids."""
    script = tmp_path / "host.py"
    script.write_text(HOST)
    with subprocess.Popen(
        [sys.executable, script, tmp_path / "compute", tmp_path / "imports"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=python_environment(),
    ) as process:
        workers = [int(pid) for pid in process.stdout.readline().split()]
        assert len(workers) == 2
        yield process, workers
        process.kill()


def test_workers_die_with_their_host(host):
    process, workers = host
    process.send_signal(signal.SIGKILL)
    assert wait_until_gone([process.pid, *workers], timeout=1) == []


def test_frozen_workers_die_with_their_host(host):
    process, workers = host
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    process.send_signal(signal.SIGKILL)
    assert wait_until_gone(workers, timeout=1) == []


def test_workers_do_not_run_the_host_s_program_and_nothing_brings_bokeh(host, tmp_path):
    process, _ = host
    assert (tmp_path / "imports").read_text() == "imported\n"
    assert process.stdout.readline() == "False\n"


# The two means by which a worker follows its host, each alone.

CHILD = """
import sys, time
from batchmagic.compute.lifeline import die_with_parent
die_with_parent(parent=int(sys.argv[1]), lifeline=int(sys.argv[2]))
print("ready", flush=True)
time.sleep(600)
"""

PARENT = """
import os, subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1], str(os.getpid()), sys.argv[2]], pass_fds=[int(sys.argv[2])])
print(child.pid, flush=True)
child.wait()
"""


def test_end_of_the_lifeline_ends_a_process_whose_parent_lives():
    ours, theirs = socket.socketpair()
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, str(os.getpid()), str(theirs.fileno())],
        pass_fds=[theirs.fileno()],
        stdout=subprocess.PIPE,
        env=python_environment(),
    ) as child:
        theirs.close()
        assert child.stdout.readline() == b"ready\n"
        assert child.poll() is None
        ours.close()
        assert child.wait(1) == -signal.SIGKILL


@linux_only
def test_death_of_the_parent_ends_a_process_whose_lifeline_holds():
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        subprocess.Popen(
            [sys.executable, "-c", PARENT, CHILD, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdout=subprocess.PIPE,
            env=python_environment(),
        ) as parent,
    ):
        child = int(parent.stdout.readline())
        assert parent.stdout.readline() == b"ready\n"
        parent.kill()
        assert wait_until_gone([child], timeout=1) == []


def test_process_whose_parent_is_gone_already_does_not_begin():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = subprocess.run(
            [sys.executable, "-c", CHILD, "1", str(theirs.fileno())],  # not its parent
            pass_fds=[theirs.fileno()],
            capture_output=True,
            check=False,
            timeout=10,
            env=python_environment(),
        )
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, b"")


def test_worker_finds_the_package_from_anywhere(tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-c", "import batchmagic; print(batchmagic.__file__)"],
        cwd=tmp_path,
        env=python_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()) == Path(batchmagic.__file__)
