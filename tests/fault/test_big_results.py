"""Results that are larger than anybody should hold: they go from the scoring process to the disk, and to the output."""

from __future__ import annotations

import threading

import pytest
from oracle import examine


def examined(lab, tally, name, expected, **more):
    found = examine(lab, name, expected, **more)
    tally.trial(**found.counts())
    assert found.ok, found


HALF_A_GIGABYTE = """
import os

def run(mini_batch):
    if "001" in mini_batch[0]:
        return [n for n in range(10)]
    return ["x" * 999] * 524_288
"""


@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_half_a_gigabyte_from_one_mini_batch(lab, tally):
    lab.deploy("big", HALF_A_GIGABYTE, mini_batch_size=1, max_concurrency_per_instance=1, output_format="csv")
    lab.run("big", ["001.csv"])
    peaks: dict[str, int] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for kind, processes in (("host", [lab.host()]), ("worker", lab.workers())):
                for process in processes:
                    peaks[kind] = max(peaks.get(kind, 0), process.memory_info().rss)

    before = {"host": lab.host().memory_info().rss, "worker": lab.workers()[0].memory_info().rss}
    watch = threading.Thread(target=look)
    watch.start()
    try:
        name = lab.invoke("big", ["000.csv", "001.csv"])
        lab.ended(name, 500)
    finally:
        over.set()
        watch.join()
    rows = b"result\n" + (b"x" * 999 + b"\n") * 524_288
    numbers = b"".join(b"%d\n" % n for n in range(10))
    examined(lab, tally, name, rows + numbers, user_failures=0)
    assert peaks["host"] - before["host"] < 64 << 20
    assert peaks["worker"] - before["worker"] < 64 << 20


def test_a_cell_of_ten_megabytes(lab, tally):
    script = 'def run(mini_batch):\n    return ["c" * 10_000_000 for _ in mini_batch]\n'
    lab.deploy("cells", script, mini_batch_size=2, output_format="csv")
    name = lab.invoke("cells", 4)
    lab.ended(name)
    frame = lab.client.jobs.result(name)
    assert list(frame["result"].str.len()) == [10_000_000] * 4
    examined(
        lab, tally, name, b"result,file\n" + b"".join(b"c" * 10**7 + b",%03d.csv\n" % n for n in range(4))
    )
