"""Claims: one live owner, epochs that fence, and who counts as dead."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from dataclasses import replace

import pytest

from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.errors import ClaimHeld, Fenced
from batchmagic.workspace import identity
from batchmagic.workspace.claims import SILENCE_SECONDS, ClaimStore


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def elsewhere():
    return replace(identity.current(), host="other-machine/12345678")


def opened(ws):
    return f"from batchmagic.workspace import Workspace; ws = Workspace.open({str(ws.root)!r})"


def test_a_free_claim_is_given_once(ws, peer):
    claim = ws.claims.acquire("compute/local")
    assert claim.epoch == 1
    ws.claims.beat(claim)
    peer.ask(opened(ws))
    answer = peer.ask("ws.claims.acquire('compute/local')")
    assert answer.startswith(f"ClaimHeld: compute/local belongs to process {os.getpid()}")
    holder = ws.claims.holder("compute/local")
    assert (holder.alive, holder.local, holder.counter) == (True, True, 1)
    assert ws.claims.acquire("compute/other").epoch == 1


def test_a_released_claim_is_free_and_its_next_epoch_is_higher(ws):
    claim = ws.claims.acquire("compute/local")
    ws.claims.release(claim)
    assert ws.claims.holder("compute/local") is None
    with pytest.raises(Fenced):
        ws.claims.beat(claim)
    assert ws.claims.acquire("compute/local").epoch == 2


def test_of_many_that_ask_at_once_one_gets_it(ws, peers):
    all_ = [peers() for _ in range(4)]
    for one in all_:
        one.ask(opened(ws))
    for one in all_:
        one.tell("answer = ws.claims.acquire('job/x').epoch")
    assert sorted(answer.partition(":")[0] for answer in (one.hear() for one in all_)) == [
        "1",
        *["ClaimHeld"] * 3,
    ]


def test_a_killed_owner_is_dead_at_once_also_as_a_zombie(ws, peer):
    peer.ask(opened(ws))
    assert peer.ask("claim = ws.claims.acquire('compute/local'); answer = claim.epoch") == "1"
    assert ws.claims.holder("compute/local").alive
    peer.process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, peer.process.pid, os.WEXITED | os.WNOWAIT)  # it has ended and nobody has collected it
    assert not ws.claims.holder("compute/local").alive
    assert ws.claims.acquire("compute/local").epoch == 2


def test_an_owner_that_was_stopped_meanwhile_is_fenced(ws, peer, spec):
    job = ws.jobs.submit(spec("one"))
    peer.ask(opened(ws))
    peer.ask(
        "from batchmagic.entities.status import JobStatus; from batchmagic.entities.progress import Progress"
    )
    peer.ask("claim = ws.claims.acquire('job/one')")
    peer.process.send_signal(signal.SIGSTOP)
    with pytest.raises(ClaimHeld):
        ws.claims.acquire("job/one")
    mine = ws.claims.acquire("job/one", force=True)
    ws.jobs.transition("one", JobStatus.PREPARING, claim=mine)
    ws.jobs.set_progress("one", Progress(completed=5), claim=mine)
    peer.process.send_signal(signal.SIGCONT)
    for late in (
        "ws.claims.beat(claim)",
        "ws.jobs.transition('one', JobStatus.FAILED, claim=claim)",
        "ws.jobs.set_progress('one', Progress(), claim=claim)",
        "ws.jobs.set_detail('one', 'late', claim=claim)",
    ):
        assert peer.ask(late).startswith("Fenced: job/one was taken over after epoch 1")
    peer.ask("ws.claims.release(claim)")
    ws.claims.beat(mine)
    after = ws.jobs.get("one")
    assert (after.status, after.progress.completed) == (JobStatus.PREPARING, 5)
    assert after.seq == job.seq


def test_a_pid_that_was_used_again_is_another_process(ws):
    mine = identity.current()
    ws.claims.acquire("compute/local", replace(mine, start_time="1"))
    assert not ws.claims.holder("compute/local").alive
    assert ws.claims.acquire("compute/local").epoch == 2


def test_after_a_reboot_the_owner_is_dead(ws):
    mine = identity.current()
    ws.claims.acquire(
        "compute/local", replace(mine, boot_id="00000000-another-boot/" + mine.boot_id.split("/")[1])
    )
    holder = ws.claims.holder("compute/local")
    assert (holder.alive, holder.local) == (False, True)


@pytest.mark.parametrize("what", ["machine", "container"])
def test_an_owner_elsewhere_is_judged_by_its_counter_and_our_clock(ws, elsewhere, what):
    owner = elsewhere
    if what == "container":
        mine = identity.current()
        owner = replace(mine, boot_id=mine.boot_id.split("/")[0] + "/pid:[1]")
    clock = Clock()
    watching = ClaimStore(ws.database, clock=clock)
    theirs = ws.claims.acquire("compute/local", owner)
    assert watching.holder("compute/local").alive
    assert not watching.holder("compute/local").local
    clock.now += SILENCE_SECONDS - 1
    assert watching.holder("compute/local").alive
    ws.claims.beat(theirs)
    assert watching.holder("compute/local").alive
    clock.now += SILENCE_SECONDS - 1
    with pytest.raises(ClaimHeld, match="belongs to process"):
        watching.acquire("compute/local")
    clock.now += 1
    assert not watching.holder("compute/local").alive
    assert watching.acquire("compute/local").epoch == 2
    with pytest.raises(Fenced):
        ws.claims.beat(theirs)


def test_a_machine_that_was_given_another_name_is_the_same(ws):
    mine = identity.current()
    ws.claims.acquire("compute/local", replace(mine, host="at-home/" + mine.host.partition("/")[2]))
    holder = ws.claims.holder("compute/local")
    assert (holder.alive, holder.local) == (True, True)


def test_a_machine_known_by_its_name_only_is_not_declared_dead_for_its_boot(ws, monkeypatch):
    """Containers have such names, and one image gives many of them the same."""
    monkeypatch.setattr(identity, "_host", lambda: "jupyter")
    ws.claims.acquire(
        "compute/local", replace(identity.current(), host="jupyter", boot_id="another-boot/pid:[1]")
    )
    holder = ws.claims.holder("compute/local")
    assert (holder.alive, holder.local) == (True, False)


def test_a_guarded_act_and_a_takeover_come_one_after_the_other(ws, peer):
    claim = ws.claims.acquire("compute/local")
    peer.ask(opened(ws))
    with ws.claims.guard(claim):
        peer.tell("answer = ws.claims.acquire('compute/local', force=True).epoch")
        assert select.select([peer.process.stdout], [], [], 0.5)[0] == [], "taken over in the middle"
    assert peer.hear() == "2"
    done = []
    with pytest.raises(Fenced), ws.claims.guard(claim):
        done.append("after the takeover")
    assert done == []


def test_a_signal_reaches_the_process_that_is_meant_and_no_other():
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as one:
        this = identity.of_process(one.pid)
        assert not identity.send_signal(replace(this, start_time="1"), signal.SIGKILL)
        assert not identity.send_signal(replace(this, boot_id="another-boot/"), signal.SIGKILL)
        assert one.poll() is None
        assert identity.send_signal(this, signal.SIGKILL)
        assert one.wait(10) == -signal.SIGKILL
        assert not identity.send_signal(this, signal.SIGKILL)


def test_wall_clocks_do_not_matter(ws, elsewhere):
    ws.claims.acquire("compute/local", elsewhere)
    with ws.database.write() as connection:
        connection.exec_driver_sql("UPDATE claims SET acquired_at = 0")
    assert ws.claims.holder("compute/local").alive


def test_no_signal_is_sent_to_find_out(ws, elsewhere):
    sentinel = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    clock = Clock()
    watching = ClaimStore(ws.database, clock=clock)
    ws.claims.acquire("compute/local", replace(elsewhere, pid=sentinel.pid))
    watching.holder("compute/local")
    clock.now += SILENCE_SECONDS + 1
    watching.acquire("compute/local")
    assert sentinel.poll() is None
    sentinel.stdin.close()
    assert sentinel.wait() == 0


def test_threads_of_one_process_get_it_once(ws):
    results = []

    def ask():
        try:
            results.append(ws.claims.acquire("job/x").epoch)
        except ClaimHeld:
            results.append("held")

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["1", *["held"] * 5]


def test_identities_are_of_processes_that_run():
    assert identity.alive(identity.current()) is True
    assert identity.of_process(os.getppid()).pid == os.getppid()
    with pytest.raises(ProcessLookupError):
        identity.of_process(2**22 + 1)
