"""A named compute as something that runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.compute.interface import Instances
    from batchmagic.entities import AmlCompute


def open_compute(definition: AmlCompute, folder: Path, *, nthreads: int) -> Instances:
    """Return the compute that `definition` describes, not started yet.

    Parameters
    ----------
    definition
        Every kind that there is runs on this machine.
    folder
        The compute's own folder, of which the caller holds the claim.
    nthreads
        Slots per instance.
    """
    from batchmagic.compute.local import LocalInstances  # noqa: PLC0415  # brings Dask

    del definition  # other kinds of compute will be told apart by it
    return LocalInstances(folder, nthreads=nthreads)
