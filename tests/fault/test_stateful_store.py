"""The store of jobs and claims against a dictionary: any program of calls, crashes between them, clocks that move."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule
from stateful_support import CHUNKS, check, fast_folder

from batchmagic.entities import BatchEndpoint
from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.progress import Progress
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import TERMINAL, TRANSITIONS, JobStatus
from batchmagic.errors import (
    ClaimHeld,
    Fenced,
    ResourceExistsError,
    ResourceNotFoundError,
    StateError,
)
from batchmagic.workspace import Workspace, identity
from batchmagic.workspace.claims import Claim, ClaimStore

SILENCE = 15.0
NAMES = ("ant", "bee", "cow")
KEYS = ("k1", "k2")
RESOURCES = ("compute/local", "job/ant")
PYTHON = Interpreter(executable=sys.executable, version="3.11", prefix=sys.prefix)
S = JobStatus

ME = identity.current()
DEAD = replace(ME, start_time="1")
REBOOTED = replace(ME, boot_id="another-boot/x")
FAR = replace(ME, host="far-away/12345678")
FARTHER = replace(ME, host="farther/12345678")
OWNERS = {"me": ME, "dead": DEAD, "rebooted": REBOOTED, "far": FAR, "farther": FARTHER}
SEEN_FROM_HERE = {"me": True, "dead": False, "rebooted": False}


@dataclass
class JobModel:
    name: str
    key: str | None
    size: int
    status: JobStatus = S.QUEUED
    run: int = 1
    completed: int = 0
    failed: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    events: list[tuple[int, JobStatus]] = field(default_factory=lambda: [(1, S.QUEUED)])

    @property
    def can_resume(self) -> bool:
        return self.status is not S.COMPLETED or bool(self.failed)

    def come(self, status: JobStatus) -> None:
        self.status = status
        self.events.append((self.run, status))


@dataclass
class ClaimModel:
    epoch: int
    owner: str
    held: bool = True
    counter: int = 0


class StoreMachine(RuleBasedStateMachine):
    """One workspace, used by whoever calls; `jobs`, `claims` and `endpoints` say what it must hold."""

    given_claims = Bundle("given_claims")

    def __init__(self):
        super().__init__()
        self._folder = fast_folder()
        self.root = Path(self._folder.name) / "ws"
        shutil.copytree(template(), self.root)
        self.jobs: list[JobModel] = []
        self.claims: dict[str, ClaimModel] = {}
        self.endpoints: set[str] = set()
        self.now = 1000.0
        self.ws: Workspace | None = None
        self.open()

    def open(self):
        self.ws = Workspace.open(self.root)
        self.raw = sqlite3.connect(self.root / "workspace.db")
        self.store = ClaimStore(self.ws.database, clock=lambda: self.now)
        self.watched: dict[str, tuple[int, int, float]] = {}

    def close(self):
        self.raw.close()
        self.ws.close()

    def job(self, name):
        return next((job for job in self.jobs if job.name == name), None)

    # --- jobs

    @rule(
        name=st.sampled_from(["", *NAMES]), key=st.sampled_from([None, None, *KEYS]), size=st.integers(1, 2)
    )
    def submit(self, name, key, size):
        spec = JobSpec(
            name=name,
            endpoint="heart",
            deployment="first",
            deployment_version=1,
            compute="local",
            settings=Settings(mini_batch_size=size),
            interpreter=PYTHON,
            input_path="/data",
            input_type="uri_folder",
            input_reference="./data",
        )
        earlier = next((job for job in self.jobs if key is not None and job.key == key), None)
        again = earlier is not None and earlier.size == size
        if (earlier is not None and not again) or (earlier is None and self.job(name) is not None):
            with pytest.raises(ResourceExistsError):
                self.ws.jobs.submit(spec, idempotency_key=key)
            return
        found = self.ws.jobs.submit(spec, idempotency_key=key, secrets={"A": name})
        if again:
            assert found.name == earlier.name
        else:
            self.jobs.append(JobModel(found.name, key, size, secrets={"A": name}))

    @precondition(lambda self: self.jobs)
    @rule(
        data=st.data(),
        new=st.sampled_from(list(S)),
        claim=st.none() | given_claims,
        other_run=st.sampled_from([None, None, 0, 1]),
    )
    def transition(self, data, new, claim, other_run):
        job = data.draw(st.sampled_from(self.jobs))
        run = None if other_run is None else job.run + other_run
        if new is S.QUEUED:
            expected = StateError
        elif not self.in_force(claim) or other_run:
            expected = Fenced
        elif new not in TRANSITIONS[job.status]:
            expected = StateError
        else:
            self.ws.jobs.transition(job.name, new, claim=claim, run=run)
            job.come(new)
            if not job.can_resume:
                job.secrets = {}
            return
        with pytest.raises(expected):
            self.ws.jobs.transition(job.name, new, claim=claim, run=run)

    @precondition(lambda self: self.jobs)
    @rule(
        data=st.data(),
        completed=st.integers(0, 9),
        failed=st.integers(0, 1),
        claim=st.none() | given_claims,
    )
    def set_progress(self, data, completed, failed, claim):
        job = data.draw(st.sampled_from(self.jobs))
        progress = Progress(completed=completed, failed=failed, files_failed=failed)
        if self.in_force(claim):
            self.ws.jobs.set_progress(job.name, progress, claim=claim)
            job.completed, job.failed = completed, failed
        else:
            with pytest.raises(Fenced):
                self.ws.jobs.set_progress(job.name, progress, claim=claim)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def cancel(self, data):
        job = data.draw(st.sampled_from(self.jobs))
        if job.status is S.QUEUED:
            self.ws.jobs.request_cancel(job.name)
            job.come(S.CANCELED)
        elif job.status in {S.PREPARING, S.RUNNING}:
            self.ws.jobs.request_cancel(job.name)
            job.come(S.CANCEL_REQUESTED)
        elif job.status is S.CANCEL_REQUESTED:
            self.ws.jobs.request_cancel(job.name)
        else:
            with pytest.raises(StateError):
                self.ws.jobs.request_cancel(job.name)
        assert self.ws.jobs.cancel_requested(job.name) == (job.status in {S.CANCELED, S.CANCEL_REQUESTED})

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), after=st.sampled_from([None, 0, -1]), secrets=st.none() | st.just({"A": "new"}))
    def begin_run(self, data, after, secrets):
        job = data.draw(st.sampled_from(self.jobs))
        last = None if after is None else job.run + after
        if job.status in TERMINAL and job.can_resume and not after:
            job.run += 1
            job.come(S.QUEUED)
            assert self.ws.jobs.begin_run(job.name, after=last, secrets=secrets) == job.run
            job.secrets = job.secrets if secrets is None else secrets
        else:
            with pytest.raises(StateError):
                self.ws.jobs.begin_run(job.name, after=last, secrets=secrets)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def delete(self, data):
        job = data.draw(st.sampled_from(self.jobs))
        if job.status in TERMINAL:
            self.ws.jobs.delete(job.name)
            self.jobs.remove(job)
            with pytest.raises(ResourceNotFoundError):
                self.ws.jobs.get(job.name)
        else:
            with pytest.raises(StateError):
                self.ws.jobs.delete(job.name)

    # --- claims

    def in_force(self, claim: Claim | None) -> bool:
        if claim is None:
            return True
        now = self.claims[claim.resource]
        return now.held and now.epoch == claim.epoch

    def is_alive(self, resource: str) -> bool:
        """Judge as an observer does: by the system where it can, else by a counter that has to move."""
        claim = self.claims[resource]
        if claim.owner in SEEN_FROM_HERE:
            return SEEN_FROM_HERE[claim.owner]
        epoch, counter, since = self.watched.get(resource, (None, None, self.now))
        if (epoch, counter) != (claim.epoch, claim.counter):
            since = self.now
        self.watched[resource] = claim.epoch, claim.counter, since
        return self.now - since < SILENCE

    @rule(
        target=given_claims,
        resource=st.sampled_from(RESOURCES),
        owner=st.sampled_from(list(OWNERS)),
        force=st.sampled_from([False, False, True]),
    )
    def claim(self, resource, owner, force):
        now = self.claims.get(resource)
        if now is not None and now.held and not force and self.is_alive(resource):
            with pytest.raises(ClaimHeld):
                self.store.acquire(resource, OWNERS[owner])
            return Claim(resource=resource, epoch=now.epoch - 1, identity=OWNERS[owner])  # never given out
        given = self.store.acquire(resource, OWNERS[owner], force=force)
        epoch = 1 if now is None else now.epoch + 1
        assert given == Claim(resource=resource, epoch=epoch, identity=OWNERS[owner])
        self.claims[resource] = ClaimModel(epoch, owner)
        return given

    @rule(claim=given_claims)
    def beat(self, claim):
        if self.in_force(claim):
            self.store.beat(claim)
            self.claims[claim.resource].counter += 1
        else:
            with pytest.raises(Fenced):
                self.store.beat(claim)

    @rule(claim=given_claims)
    def release(self, claim):
        if self.in_force(claim):
            self.claims[claim.resource].held = False
        self.store.release(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def look(self, data):
        resource = data.draw(st.sampled_from(sorted(self.claims)))
        claim, found = self.claims[resource], self.store.holder(resource)
        if not claim.held:
            assert found is None
            return
        assert (found.epoch, found.counter, found.identity) == (
            claim.epoch,
            claim.counter,
            OWNERS[claim.owner],
        )
        assert found.alive == self.is_alive(resource)
        assert found.local == (claim.owner in SEEN_FROM_HERE)

    @rule(seconds=st.sampled_from([0.5, SILENCE - 1, SILENCE, 3600.0]))
    def time_passes(self, seconds):
        self.now += seconds

    # --- definitions

    @rule(name=st.sampled_from(["heart", "lung"]))
    def put_endpoint(self, name):
        self.ws.endpoints.put(BatchEndpoint(name=name))
        self.endpoints.add(name)

    @rule(name=st.sampled_from(["heart", "lung"]))
    def delete_endpoint(self, name):
        if name in self.endpoints:
            self.ws.endpoints.delete(name)
            self.endpoints.remove(name)
        else:
            with pytest.raises(ResourceNotFoundError):
                self.ws.endpoints.delete(name)

    # --- crashes

    @rule(now=st.sampled_from([False, False, True]))
    def crash(self, now):
        """The process ends; whoever comes next has seen nothing of what the claims' counters did."""
        if now:
            self.close()
            self.open()

    @rule()
    def look_at_everything(self):
        found = [(r.name, r.status, r.run) for r in self.ws.jobs.list()]
        assert found == [(job.name, job.status, job.run) for job in reversed(self.jobs)]
        waiting = [job.name for job in self.jobs if job.status is S.QUEUED]
        assert [r.name for r in self.ws.jobs.waiting("local")] == waiting
        unfinished = [job.name for job in self.jobs if job.status not in TERMINAL]
        assert [r.name for r in self.ws.jobs.unfinished("local")] == unfinished
        assert {e.name for e in self.ws.endpoints.list()} == self.endpoints
        assert {p.name for p in (self.root / "jobs").glob("*")} == {job.name for job in self.jobs}
        for job in self.jobs:
            assert [(e.run, e.status) for e in self.ws.jobs.events(job.name)] == job.events
            assert self.ws.secrets.get(job.name) == job.secrets

    @invariant()
    def the_jobs_and_claims_are_those_of_the_model(self):
        # Not through the store: this happens after each step, and its own readers are looked at above.
        rows = self.raw.execute("SELECT name, status, run, progress, ended_at FROM jobs ORDER BY seq")
        for (name, status, run, progress, ended), job in zip(rows, self.jobs, strict=True):
            counters = json.loads(progress)
            state = name, status, run, counters["completed"], counters["failed"], ended is not None
            assert state == (job.name, job.status, job.run, job.completed, job.failed, job.status in TERMINAL)
        rows = self.raw.execute("SELECT resource, epoch, held, counter FROM claims ORDER BY resource")
        claims = [(r, c.epoch, c.held, c.counter) for r, c in sorted(self.claims.items())]
        assert rows.fetchall() == claims

    def teardown(self):
        with self._folder:
            try:
                self.look_at_everything()
            finally:
                self.close()
            with closing(sqlite3.connect(self.root / "workspace.db")) as connection:
                assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


_templates: list[Path] = []


def template() -> Path:
    return _templates[0]


@pytest.fixture(autouse=True)
def one_workspace_to_copy(tmp_path):
    with Workspace.find(tmp_path / "template", create=True):
        pass
    _templates[:] = [tmp_path / "template"]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_the_store_is_a_dictionary_with_rules_whatever_is_called(chunk, tier, tally):
    for _ in range(check(StoreMachine, chunk, tier)):
        tally.trial()
