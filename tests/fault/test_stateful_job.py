"""One job against a dictionary: leases, losses, crashes, take-overs, damage, resumes, in any order.

The decisions, the committer, the ledger, the spool and the assembly are the real ones; there is no Dask. Whatever
happens, at the end every good file has its row in the output once, in the order of the input.
"""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from small_driver import Desk, SmallDriver, rows_of
from stateful_support import CHUNKS, check

from batchmagic.entities.settings import Settings
from batchmagic.errors import Fenced
from batchmagic.scoring import events as e
from batchmagic.scoring.events import Kind, Outcome
from batchmagic.scoring.spool import spool_of

INSTANCES = ("i0", "i1")
WORK = st.tuples(st.integers(0, 4), st.booleans())  # so many leases return; whether each is committed at once
running = precondition(lambda self: self.driver is not None and self.driver.stop is None)
leased = precondition(
    lambda self: self.driver is not None and self.driver.stop is None and bool(self.driver.out)
)
down = precondition(lambda self: self.driver is None and not self.over)
ended = precondition(lambda self: self.driver is not None and self.driver.stop is not None)


def draw_bad(data, files):
    return data.draw(st.sets(st.sampled_from(files), min_size=data.draw(st.integers(0, 1)), max_size=4))


class JobMachine(RuleBasedStateMachine):
    """`committed` is the model: the rows of every member that is committed, None for one that failed."""

    def __init__(self):
        super().__init__()
        self.driver: SmallDriver | None = None
        self.zombies: list[SmallDriver] = []
        self.jobs = 0

    @initialize(data=st.data())
    def submit(self, data):
        # All is drawn before anything is changed: a program may end with any draw.
        files = [f"f{number:02}" for number in range(data.draw(st.integers(1, 12)))]
        bad = draw_bad(data, files)
        settings = Settings(
            mini_batch_size=data.draw(st.sampled_from([3, 2, 1])),
            max_retries=data.draw(st.integers(0, 2)),
            isolate_failures=data.draw(st.sampled_from([True, True, False])),
            error_threshold=data.draw(st.sampled_from([-1, -1, 2])),
        )
        self.files, self.bad, self.settings = files, bad, settings
        self.jobs += 1
        self.desk = DESKS[0]
        self.desk.begin_job()
        self.folder, self.source = self.desk.folder, self.desk.source
        for file in files:
            (self.source / file).touch()
        self.mini_batches = -(-len(files) // settings.mini_batch_size)
        self.committed: dict[tuple[int, int], bytes | None] = {}
        self.damaged: set[str] = set()
        self.target = self.folder / "out" / "predictions.csv"
        self.replies: list[e.LeaseReturned] = []
        self.epoch = self.run = 0
        self.over = False
        self.begin(new_run=True)

    def begin(self, *, new_run, redo_failed=False):
        """Begin as a host does; that a run is to redo what failed, every host of it is told."""
        self.epoch += 1
        self.run += new_run
        self.redo_failed = redo_failed if new_run else self.redo_failed
        self.driver = SmallDriver(
            self.folder,
            self.source,
            self.settings,
            epoch=self.epoch,
            run=self.run,
            redo_failed=self.redo_failed,
            owner=lambda: self.epoch,
            ledger=self.desk.ledger(),
        )
        if redo_failed and new_run:
            self.forget({m for (m, _), rows in self.committed.items() if rows is None})
        self.forget({m for m, part in self.committed if part} - self.whole())
        self.replies = []
        self.instance_up("i0", 1)
        self.settle()

    def whole(self):
        count = {m: 0 for m, _ in self.committed}
        for m, part in self.committed:
            count[m] += bool(part)
        return {m for m, parts in count.items() if parts in {0, len(self.files_of(m))}}

    def files_of(self, mini_batch, part=0):
        size = self.settings.mini_batch_size
        files = self.files[mini_batch * size : (mini_batch + 1) * size]
        return files[part - 1 : part] if part else files

    def forget(self, mini_batches):
        self.committed = {k: rows for k, rows in self.committed.items() if k[0] not in mini_batches}

    def commit(self):
        for record in self.driver.flush():
            if record.final:
                m, part = key = record.attempt.member.key
                assert key not in self.committed
                ok = record.attempt.kind is Kind.OK
                self.committed[key] = rows_of(self.files_of(m, part)) if ok else None

    def settle(self):
        """Do what the driver does when the decisions say that the run is over."""
        while self.driver.stop is not None and not self.over:
            self.commit()
            if self.driver.stop.outcome is not Outcome.COMPLETED:
                return
            before = self.target.read_bytes() if self.target.exists() else None
            segments = self.segments()
            missing = self.driver.finish(self.target)
            if not missing:
                self.check_output()
                return
            assert {segments[key] for key in missing} <= self.damaged, f"{missing} were never damaged"
            assert before == (self.target.read_bytes() if self.target.exists() else None)
            self.forget({m for m, _ in missing})
            self.replies = []  # the numbers of leases begin anew
            self.instance_up("i0", 1)

    def segments(self):
        query = "SELECT mini_batch, part, name FROM commits JOIN segments ON segment = segments.id"
        return {(m, part): name for m, part, name in self.desk.sql(query)}

    def check_output(self):
        assert self.whole() == set(range(self.mini_batches))
        expected = b"".join(self.committed[key] or b"" for key in sorted(self.committed))
        assert self.target.read_bytes() == expected
        failed = sum(
            len(self.files_of(m, part)) for (m, part), rows in self.committed.items() if rows is None
        )
        assert expected.count(b"\n") == len(self.files) - failed
        assert not list(self.target.parent.glob(".*")), "a temporary file is left"
        self.over = not failed

    # --- what instances do

    def instance_up(self, name, slots):
        if self.driver.stop is None and name not in self.driver.instances:
            self.driver.handle(e.InstanceUp(name, slots))

    @running
    @rule(name=st.sampled_from(INSTANCES), slots=st.integers(1, 2))
    def another_instance(self, name, slots):
        self.instance_up(name, slots)

    @leased
    @rule(work=WORK)
    def leases_return(self, work):
        self.do(work)

    def do(self, work):
        """Let some leases return before something happens: without that most programs would be about nothing."""
        count, commit = work
        for _ in range(count):
            if self.driver is None or self.driver.stop is not None or not self.driver.out:
                return
            lease = self.driver.out.pop(min(self.driver.out))
            self.driver.handle(self.driver.score(lease, self.bad))
            if commit:
                self.commit()
            self.settle()

    @leased
    @rule(data=st.data(), count=st.sampled_from([None, None, 0, 1, 2]), twice=st.booleans())
    def lease_returns(self, data, count, twice):
        lease = self.take(data)
        reply = self.driver.score(lease, self.bad, count)
        self.replies.append(reply)
        self.driver.handle(reply)
        if twice:
            self.driver.handle(reply)
        self.settle()

    def take(self, data):
        return self.driver.out.pop(data.draw(st.sampled_from(sorted(self.driver.out))))

    @leased
    @rule(data=st.data(), begun=st.booleans(), others=st.booleans(), done=st.booleans(), late=st.booleans())
    def lease_is_lost(self, data, begun, others, done, late):
        """Give a lease up; what came of it may exist all the same, and may come late."""
        lease = self.take(data)
        reply = self.driver.score(lease, self.bad) if done else None
        self.driver.handle(e.LeaseLost(lease.number, begun=begun, others_lived=others))
        if reply is not None and late:
            self.replies.append(reply)
        self.settle()

    @precondition(lambda self: self.driver is not None and self.replies)
    @rule(data=st.data())
    def late_twin(self, data):
        if self.driver.out:  # otherwise its number may be that of a lease which is yet to come
            self.driver.handle(data.draw(st.sampled_from(self.replies)))
            self.settle()

    @running
    @rule(name=st.sampled_from(INSTANCES), begun=st.booleans(), work=WORK)
    def instance_down(self, name, begun, work):
        self.do(work)
        if self.driver.stop is None and name in self.driver.instances:
            self.driver.handle(e.InstanceDown(name))
            lost = [n for n, lease in self.driver.out.items() if lease.instance == name]
            others = bool(self.driver.instances)
            self.driver.writers.pop(name, None)
            for number in lost:
                del self.driver.out[number]
                self.driver.handle(e.LeaseLost(number, begun=begun, others_lived=others))
            self.settle()

    @leased
    @rule(data=st.data())
    def init_fails(self, data):
        self.driver.handle(e.InitFailed(self.take(data).number, {"type": "OSError"}))
        self.settle()

    # --- what the driver does, and what becomes of it

    @precondition(lambda self: self.driver is not None and self.driver.waiting)
    @rule()
    def group_is_committed(self):
        self.commit()

    @precondition(lambda self: self.driver is not None and not self.over)
    @rule(torn=st.integers(0, 40), reopen=st.booleans(), work=WORK)
    def driver_dies(self, torn, reopen, work):
        """Drop what was not committed, with a piece of rows that nobody has synced."""
        self.do(work)
        if self.over:
            return
        writer = self.driver.writer("i0")
        writer.begin()
        writer.write(b"torn " * 8)
        name = writer.end()[0]
        writer._flush()
        self.driver.drop()
        segment = spool_of(self.folder) / name
        with segment.open("r+b") as file:
            file.truncate(segment.stat().st_size - torn)
        self.driver = None
        if reopen and not self.zombies:
            self.desk.forget_ledger()

    @down
    @rule(change=st.booleans())
    def next_host_goes_on(self, change):
        if change:
            self.change_input()
        self.begin(new_run=False)

    @precondition(lambda self: not self.zombies and self.driver is not None and self.driver.stop is None)
    @rule(work=WORK)
    def another_host_takes_over(self, work):
        self.do(work)
        if self.driver.stop is not None:
            return
        self.zombies.append(self.driver)
        self.begin(new_run=False)

    @precondition(lambda self: self.zombies)
    @rule()
    def the_former_driver_wakes_up(self):
        former = self.zombies.pop()
        if former.waiting:
            with pytest.raises(Fenced):
                former.flush()
        with pytest.raises(Fenced):
            former.ledger.forget(former.epoch, [(0, 0)])
        with pytest.raises(Fenced):
            former.ledger.set_columns(former.epoch, ())
        with pytest.raises(Fenced):
            former.ledger.begin(epoch=former.epoch, run=99, mini_batches=1, files=1)
        before = self.target.read_bytes() if self.target.exists() else None
        with pytest.raises(Fenced):
            former.finish(self.target)
        assert before == (self.target.read_bytes() if self.target.exists() else None)
        former.drop()

    # --- what people do

    @precondition(lambda self: self.committed and self.driver is not None and self.driver.stop is None)
    @rule()
    def cancel(self):
        self.driver.handle(e.CancelRequested())
        assert self.driver.stop.outcome is Outcome.CANCELED
        self.settle()

    @ended
    @rule(redo_failed=st.booleans(), data=st.data())
    def resume(self, redo_failed, data):
        if self.over:
            self.leave()
            return
        self.bad = draw_bad(data, self.files)
        self.driver.drop()
        self.begin(new_run=True, redo_failed=redo_failed)

    def leave(self):
        for driver in (self.driver, *self.zombies):
            if driver is not None:
                driver.drop()
        self.driver, self.zombies = None, []

    @precondition(lambda self: self.over and self.driver is None)
    @rule(data=st.data())
    def another_job(self, data):
        self.submit(data)

    def change_input(self):
        """Change the folder after the plan was made: a file less, a file more."""
        (self.source / self.files[0]).unlink(missing_ok=True)
        (self.source / "e99").touch()

    @precondition(lambda self: not self.over and list(spool_of(self.folder).glob("*.seg")))
    @rule(data=st.data(), how=st.sampled_from(["flip", "cut", "remove"]), work=WORK)
    def segment_is_damaged(self, data, how, work):
        self.do(work)
        if self.over:
            return
        segments = sorted(p.name for p in spool_of(self.folder).glob("*.seg"))
        path = spool_of(self.folder) / data.draw(st.sampled_from(segments))
        content = bytearray(path.read_bytes())
        if how == "remove" or not content:
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
        else:
            content[data.draw(st.integers(0, len(content) - 1))] ^= 0x20
            path.write_bytes(content)
        self.damaged.add(path.name)
        # A writer goes on where it was; only a new one shall have what is to be good.
        if self.driver is not None:
            self.driver.writers.clear()

    @invariant()
    def the_ledger_is_the_model(self):
        if self.driver is not None:
            keys = self.desk.sql("SELECT mini_batch, part, ok FROM commits ORDER BY mini_batch, part")
            expected = [(*key, rows is not None) for key, rows in sorted(self.committed.items())]
            assert keys == expected

    def teardown(self):
        """Bring the job to an end, whatever state it is in."""
        try:
            if self.jobs and not self.over:
                if self.driver is not None:
                    self.driver.drop()
                self.bad = set()
                self.begin(new_run=True, redo_failed=True)
                self.answer_all()
                counted = self.driver.ledger.recount()
                ends = counted.completed, counted.failed, counted.rows
                assert ends == (self.mini_batches, 0, len(self.files))
        finally:
            self.leave()

    def answer_all(self):
        for _ in range(20):
            if self.over:
                return
            self.instance_up("i9", 2)
            while self.driver.out and self.driver.stop is None:
                lease = self.driver.out.pop(min(self.driver.out))
                self.driver.handle(self.driver.score(lease, self.bad))
                self.settle()
        raise AssertionError("the job does not come to its end")


DESKS: list[Desk] = []


@pytest.fixture(autouse=True)
def desk():
    DESKS.append(Desk())
    yield
    DESKS.pop().close()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_every_good_file_has_its_row_once_whatever_happened_before(chunk, tier, tally):
    for _ in range(check(JobMachine, chunk, tier)):
        tally.trial()
