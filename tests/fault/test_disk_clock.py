"""The clock jumps by an hour, to and fro, while a job runs: order comes from sequence, waiting from another clock."""

from __future__ import annotations

import pytest
from main_job_support import until
from oracle import examine

from batchmagic.workspace.ledger import Ledger

pytestmark = pytest.mark.timeout(300)  # a busy machine is no finding

# Python runs it at the start of every process that finds it: the host, its supervisor and the workers.
JUMPING = """
import time

_true, _file = time.time, {offset!r}

def _time():
    try:
        with open(_file) as file:
            return _true() + float(file.read() or 0)
    except (OSError, ValueError):
        return _true()

time.time = _time
"""


@pytest.mark.slow
def test_the_clock_jumps_while_a_job_runs(new_lab, tmp_path, monkeypatch, tally):
    lab = new_lab
    offset = tmp_path / "offset"
    offset.write_text("0")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(JUMPING.format(offset=str(offset)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, retry_settings={"max_retries": 1, "timeout": 60})
    name = lab.invoke("gated", 16)
    for step, jump in enumerate((3600, -3600, 7200, -7200, 0)):
        files = [f"{n:03d}.csv" for n in range(step * 3, step * 3 + 3)]
        until(lambda done=step * 3: lab.job(name).progress.completed >= done, of=f"{step * 3} commits")
        offset.write_text(str(jump))
        gate.open(*files)
    until(lambda: lab.job(name).progress.completed >= 15, of="15 commits")
    assert lab.holder().epoch == 1, "a jump of the clock has cost the claim"
    lab.kill_supervisor_and_host()
    offset.write_text("-3600")
    lab.client.jobs.get(name)
    until(lab.holder, of="a host after a jump")
    gate.open()
    job = lab.ended(name)
    found = examine(lab, name, "".join(f"{n:03d}.csv\n" for n in range(16)).encode(), user_failures=0)
    tally.trial(kills=2, **found.counts())
    assert found.ok, found
    assert lab.failed_attempts(name) == {}
    assert 0 <= job.progress.seconds < 1000
    assert (job.ended_at - job.started_at).total_seconds() >= 0
    ledger = Ledger.open(lab.root / "jobs" / name, readonly=True)
    commits = list(ledger.iter_commits())
    ledger.close()
    assert all(0 <= commit.seconds < 600 for commit in commits)
    started = [commit.started for commit in commits]
    assert max(started) - min(started) > 3000, "the clock did not jump"
    events = lab.client.session.read().jobs.events(name)
    assert [e.seq for e in events] == sorted(e.seq for e in events)
