"""Who holds which instance: jobs in order of submission, by free instances. Pure bookkeeping."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Seats:
    """The instances of one compute and the jobs that hold them.

    Attributes
    ----------
    wanted
        Instances that each running job holds, whether they are there yet or not.
    holders
        The job of each instance that is there and held.
    """

    wanted: dict[str, int] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)

    @property
    def demand(self) -> int:
        """Instances that the running jobs hold."""
        return sum(self.wanted.values())

    def fits(self, count: int, limit: int) -> bool:
        """Return whether a job of `count` instances may begin on a compute of at most `limit`."""
        return self.demand + count <= limit

    def begin(self, job: str, count: int) -> None:
        """Let a job hold `count` instances."""
        self.wanted[job] = count

    def end(self, job: str) -> None:
        """Take everything back that a job held."""
        self.wanted.pop(job, None)
        self.holders = {name: holder for name, holder in self.holders.items() if holder != job}

    def place(self, instance: str) -> str | None:
        """Give a free instance to the job that waits for one the longest and return it."""
        if instance in self.holders:
            return None
        for job, count in self.wanted.items():
            if sum(holder == job for holder in self.holders.values()) < count:
                self.holders[instance] = job
                return job
        return None

    def leave(self, instance: str) -> str | None:
        """Forget an instance that is gone and return the job that held it."""
        return self.holders.pop(instance, None)


def waiting_words(*, place: int, needs: int, free: int, limit: int, first: str | None) -> str:
    """Say what a waiting job waits for.

    Parameters
    ----------
    place
        Its place among those that wait, from 1.
    free, limit
        Instances that no job holds, and how many there can be.
    first
        The job at place 1, if that is another one.
    """
    unit = "instance" if needs == 1 else "instances"
    words = f"place {place} in the queue, waits for {needs} {unit} ({free} of {limit} free)"
    return words if first is None else f"{words}, after {first}"
