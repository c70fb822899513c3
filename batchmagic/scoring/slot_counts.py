"""How many slots each instance of a job has: what is asked for, else what its first mini-batch showed to fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.scoring.sizing import slots_that_fit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from batchmagic.entities.settings import Settings
    from batchmagic.scoring.events import Attempt
    from batchmagic.scoring.messages import Capacity


class SlotCounts:
    """The slots of the instances of one job.

    Parameters
    ----------
    tell
        Gets a line for the job's overview.
    """

    def __init__(self, settings: Settings, capacity: Capacity, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._capacity = capacity
        self._tell = tell
        self._sized: dict[str, int] = {}

    def of(self, instance: str) -> int:
        """Return the slots of an instance: one until its first mini-batch was measured, if none are asked for."""
        return self._settings.max_concurrency_per_instance or self._sized.get(instance, 1)

    def learn(self, instance: str, attempts: Iterable[Attempt]) -> int | None:
        """Return the slots that fit on an instance after its first mini-batch; None if they stay what they are."""
        settings = self._settings
        measured = max((a.max_rss for a in attempts), default=0)
        if settings.max_concurrency_per_instance or instance in self._sized or not measured:
            return None
        cores, memory = self._capacity.share(settings.instance_count)
        slots = slots_that_fit(cores=cores, memory=memory, peak=settings.memory_per_slot or measured)
        self._sized[instance] = slots
        self._tell(
            f"Instance {instance} uses {slots} slots: {cores} cores, {memory >> 20} MiB of memory, "
            f"{measured >> 20} MiB for the first scoring process."
        )
        return slots
