"""A named compute becomes something that runs."""

from __future__ import annotations

from batchmagic.compute.open import open_compute
from batchmagic.entities import AmlCompute


def test_compute_of_any_size_runs_here_with_the_slots_asked_for(tmp_path):
    definition = AmlCompute(name="aml-cluster", size="STANDARD_DS11_V2", min_instances=0, max_instances=4)
    with open_compute(definition, tmp_path, nthreads=3) as compute:
        compute.scale_to(1)
        assert [i.nthreads for i in compute.wait(1, timeout=20)] == [3]
