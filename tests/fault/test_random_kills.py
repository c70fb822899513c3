"""SIGKILL at random moments: host, supervisor, worker, template, scoring process; and a kernel that looks on.

`BATCHMAGIC_SEED` chooses the moments; it is printed when the test fails.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field

import killers
from kernel_beside import KernelBeside
from main_job_support import until
from oracle import examine

from batchmagic.entities.status import JobStatus

# Each call is written down with its moment, by one write, so that no kill tears a line.
SCRIPT = """
import os, time

CALLS = os.open({calls!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    os.write(CALLS, f"{{name}} {{time.time()}}\\n".encode())
    time.sleep(0.02)
    return [f"{{name}},{{len(name) * 'x'}},{{int(name[:-4]) ** 2}}"]
"""
COMPUTE = "struck"


def expected(count):
    names = [f"{n:04d}.csv" for n in range(count)]
    return "".join(f"{n},{len(n) * 'x'},{int(n[:-4]) ** 2}\n" for n in names).encode()


@dataclass
class Campaign:
    """One job under fire."""

    lab: object
    job: str
    rng: random.Random
    kills: dict[str, int] = field(default_factory=lambda: dict.fromkeys(killers.ROLES, 0))
    recovery: list[float] = field(default_factory=list)
    resumes: int = 0
    seen_committed: dict[int, float] = field(default_factory=dict)
    last: int = 0

    def committed(self) -> int:
        """Look at what is committed, and return how much."""
        path = self.lab.root / "jobs" / self.job / "ledger.db"
        if not path.exists():
            return 0
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as connection:
            numbers = [n for (n,) in connection.execute("SELECT mini_batch FROM commits")]
        now = time.time()
        for number in numbers:
            self.seen_committed.setdefault(number, now)
        assert len(numbers) >= self.last, "what was committed has gone"
        self.last = len(numbers)
        return self.last

    def see_to_it(self) -> bool:
        """Do what a person would: look, and resume a job that was given up; True when it has completed."""
        job = self.lab.client.session.job(self.job)
        if job.status is JobStatus.NOT_RESPONDING:
            self.lab.client.jobs.resume(self.job)
            self.resumes += 1
        elif not job.status.is_terminal:
            self.lab.client.jobs.get(self.job)  # whoever looks sees to a host
        return job.status is JobStatus.COMPLETED

    def strike(self, role: str) -> None:
        """Kill a process of that role, and wait until the job goes on."""
        until(
            lambda: self.see_to_it() or killers.kill_one(self.lab, role, COMPUTE, self.rng),
            of=f"a {role} to kill",
        )
        struck, before = time.monotonic(), self.committed()
        self.kills[role] += 1
        until(
            lambda: self.see_to_it() or self.committed() > before, of=f"the job to go on without its {role}"
        )
        self.recovery.append(time.monotonic() - struck)


def test_a_job_that_is_struck_all_the_time(lab, tier, tally):
    seed = int(os.environ.get("BATCHMAGIC_SEED", time.time_ns() % 1_000_000))
    print(f"BATCHMAGIC_SEED={seed}")
    rng = random.Random(seed)
    count, kills = (2000, 100) if tier == "nightly" else (600, 25)
    calls = lab.folder / "calls"
    lab.compute(COMPUTE)
    # A killed scoring process is an attempt of its mini-batch, like one that the kernel kills for its memory.
    lab.deploy(
        "struck",
        SCRIPT.format(calls=str(calls)),
        compute=COMPUTE,
        mini_batch_size=1,
        instance_count=2,
        max_retries=20,
    )
    job = lab.invoke("struck", [f"{n:04d}.csv" for n in range(count)])
    campaign = Campaign(lab, job, rng)
    roles = [killers.ROLES[n % len(killers.ROLES)] for n in range(kills)]
    rng.shuffle(roles)
    moments = sorted(rng.sample(range(int(count * 0.95)), kills))
    with KernelBeside(lab.root) as kernel:
        for number, (moment, role) in enumerate(zip(moments, roles, strict=True)):
            until(
                lambda due=moment: campaign.see_to_it() or campaign.committed() >= due, of=f"{moment} commits"
            )
            campaign.strike(role)
            if number in {kills // 3, 2 * kills // 3}:
                shown, seconds = kernel.killed_and_asked_again(job)
                assert shown <= campaign.committed()
                assert seconds < 5
    until(campaign.see_to_it, 100, of="the end of the job")
    found = examine(lab, job, expected(count))
    again = [
        line
        for line in calls.read_text().splitlines()
        if float(line.split()[1]) > campaign.seen_committed.get(int(line[:4]), float("inf"))
    ]
    tally.trial(kills=sum(campaign.kills.values()), recovery=campaign.recovery, **found.counts())
    print(campaign.kills, "resumed", campaign.resumes, "times")
    assert found.ok, found
    assert not again, f"scored again although it was committed: {again[:5]}"
    assert sum(campaign.kills.values()) == kills
