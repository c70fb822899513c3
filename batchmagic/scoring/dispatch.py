"""Leases as Dask futures: sent to their instance, back through one queue. The driver's only contact with Dask."""

from __future__ import annotations

import asyncio
import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic import failpoints
from batchmagic.disk import disk_error, is_about_disk
from batchmagic.errors import BatchMagicError, ComputeError, DiskError, Fenced, PackagesChanged
from batchmagic.scoring import instance as worker_side
from batchmagic.scoring.assignment import packed
from batchmagic.scoring.versions import check_versions, versions
from batchmagic.scoring.wire import LeaseReply, LeaseRequest

if TYPE_CHECKING:
    import queue
    from collections.abc import Iterable, Iterator, Mapping

    from distributed import Client, Future

    from batchmagic.compute.interface import Instance
    from batchmagic.scoring.events import Lease
    from batchmagic.scoring.plan import Plan

_CALL_SECONDS = 30.0
_FENCED_SECONDS = 3.0
_FETCH_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LeaseDone:
    """A lease has come to an end.

    Attributes
    ----------
    serial
        Which sending of it.
    frame
        The packed reply; None if it was lost.
    """

    serial: int
    frame: bytes | None


async def _prepare(frame: bytes) -> Exception | None:
    description = json.loads(frame)
    try:
        check_versions(description["versions"], description["instance"])
        await asyncio.to_thread(worker_side.prepare_job, frame)
    except (BatchMagicError, OSError) as error:
        # Returned, as what is raised goes to the worker's log, with the values of variables in the argument.
        return error
    return None


async def _end(key: str) -> None:
    await asyncio.to_thread(worker_side.end_job, key)


async def _give_up(key: str, number: int) -> None:
    await asyncio.to_thread(worker_side.give_up_lease, key, number)


def _fetched(future: Future) -> bytes | None:
    try:
        frame: bytes | None = future.result(timeout=_FETCH_SECONDS) if future.status == "finished" else None
    except Exception:  # noqa: BLE001 -- Dask raises any type when a worker goes while its result travels
        return None
    return frame


@dataclass(slots=True)
class _Sent:
    lease: Lease
    address: str
    future: Future


class Dispatcher:
    """Sends the leases of one job.

    Parameters
    ----------
    client
        The cluster's client; the caller's.
    description
        The job's assignment without the instance.
    inbox
        Gets a `LeaseDone` for each future that ends.
    """

    def __init__(
        self, client: Client, description: Mapping[str, Any], plan: Plan, inbox: queue.Queue[Any]
    ) -> None:
        self._client = client
        self._description = {**description, "versions": versions()}
        self._plan = plan
        self._inbox = inbox
        self._addresses: dict[str, str] = {}
        # Lease numbers begin anew when damaged rows are scored again; Dask's keys must not.
        self._serial = itertools.count()
        self._sent: dict[int, _Sent] = {}
        self._caller = ThreadPoolExecutor(max_workers=1, thread_name_prefix="batchmagic-call")

    def prepare(self, instance: Instance) -> None:
        """Have the job on an instance.

        Raises
        ------
        ComputeError
            If the instance is gone or does not answer.
        DiskError
            If the job's folder cannot be written there.
        PackagesChanged
            If it runs other packages than this process.
        """
        frame = packed(self._description, instance.name)
        answers = self._call(_prepare, frame, [instance.address])
        if isinstance(answers, DiskError | PackagesChanged):
            raise answers
        if isinstance(answers, OSError) and is_about_disk(answers):
            raise disk_error(answers, answers.filename or self._description["job_folder"]) from answers
        if isinstance(answers, Exception):
            raise ComputeError(f"Instance {instance.name} did not take the job: {answers}.")
        self._addresses[instance.name] = instance.address

    def prepare_again(self, name: str) -> None:
        """Tell the instance of the job once more: it has forgotten it."""
        self._call(_prepare, packed(self._description, name), [self._addresses[name]])

    def send(self, lease: Lease, slots: int) -> None:
        """Hand a lease to its instance."""
        address = self._addresses[lease.instance]
        files = tuple(self._files(lease))
        request = LeaseRequest(
            job=self._description["job"],
            number=lease.number,
            slots=slots,
            members=lease.members,
            files=files,
            begun=lease.is_lone,
        )
        serial = next(self._serial)
        failpoints.hit("lease.before_send")
        future = self._client.submit(
            worker_side.run_lease,
            request.pack(),
            key=f"lease-{self._description['job']}-{serial}",
            workers=[address],
            pure=False,
            retries=0,
        )
        self._sent[serial] = _Sent(lease, address, future)
        failpoints.hit("lease.after_send")
        # The result is fetched in Dask's callback thread, beside the driver's own work.
        future.add_done_callback(lambda done: self._inbox.put(LeaseDone(serial, _fetched(done))))

    def _files(self, lease: Lease) -> Iterator[list[str]]:
        """Yield the absolute paths of each member; members of several are consecutive, as they were pending."""
        first, last = lease.members[0], lease.members[-1]
        if lease.is_lone:
            found = [self._plan.paths_of(first.mini_batch, first.part)]
        else:
            found = self._plan.paths_of_range(first.mini_batch, last.mini_batch - first.mini_batch + 1)
        base = self._plan.root.rstrip("/") + "/"
        for files in found:
            yield [base + path for path in files]

    def reply(self, done: LeaseDone) -> tuple[Lease, LeaseReply | None] | None:
        """Return a lease that has ended, with its reply, or None in its place if it was lost.

        None alone: it was taken back before.
        """
        sent = self._sent.pop(done.serial, None)
        if sent is None:
            return None
        sent.future.release()
        return sent.lease, None if done.frame is None else LeaseReply.unpack(done.frame, sent.lease.members)

    def give_up(self, lease: Lease) -> None:
        """Free the slot of a lease whose reply was lost, if it was cut; its instance may be gone."""
        address = self._addresses.get(lease.instance)
        if address is not None:
            # Nobody waits for it: what is sent next waits for the slot.
            self._caller.submit(
                self._client.run,
                _give_up,
                self._description["job"],
                lease.number,
                workers=[address],
                on_error="ignore",
            )

    def take_back(self, address: str) -> list[Lease]:
        """Return the leases that were on a lost worker; their futures will not be waited for."""
        lost = [number for number, sent in self._sent.items() if sent.address == address]
        leases = []
        for number in lost:
            sent = self._sent.pop(number)
            sent.future.cancel()
            leases.append(sent.lease)
        return leases

    def forget(self, name: str) -> None:
        """Take an instance out of the job."""
        self._addresses.pop(name, None)

    def leave(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the job on its instances and drop every future, whatever it is that ends the run."""
        # A fenced host ends all its instances anyway; those that others have ended already do not answer.
        self.end(seconds=_FENCED_SECONDS if kind is not None and issubclass(kind, Fenced) else _CALL_SECONDS)
        self.close()

    def end(self, names: Iterable[str] | None = None, *, seconds: float = _CALL_SECONDS) -> None:
        """End the job on its instances (or on these): no scoring process of it is left there."""
        chosen = list(self._addresses) if names is None else [n for n in names if n in self._addresses]
        if chosen:
            self._call(_end, self._description["job"], [self._addresses[n] for n in chosen], seconds)
        for name in chosen:
            del self._addresses[name]

    def close(self) -> None:
        """Drop every future that is still out."""
        for sent in self._sent.values():
            sent.future.cancel()
        self._sent.clear()
        self._caller.shutdown(wait=False)

    def _call(
        self, function: Any, argument: Any, addresses: list[str], seconds: float = _CALL_SECONDS
    ) -> Any:
        """Run a function on workers, not as a Dask task: it must not queue behind leases."""
        call = self._caller.submit(self._client.run, function, argument, workers=addresses, on_error="return")
        try:
            answers = call.result(timeout=seconds)
        except FutureTimeout:
            return ComputeError(f"no answer within {seconds:g} s")
        except Exception as error:  # noqa: BLE001 -- Dask raises any type for a worker that is gone
            return error
        return next((a for a in answers.values() if isinstance(a, Exception)), None)
