"""A handle on a job that really runs: its numbers move, it is awaited, and it gives its rows."""

from __future__ import annotations

import asyncio

import pytest
from main_job_support import PLAIN, until

from batchmagic.errors import JobCanceled


def test_a_job_is_followed_to_its_rows(lab):
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    job = lab.client.jobs.handle(lab.invoke("gated", 4))
    gate.wait_calls(2)
    gate.open("000.csv", "001.csv")
    until(lambda: job.progress.completed == 2, of="two mini-batches in the job's progress")
    assert (job.status, job.output) == ("Running", None)

    async def await_it():
        asyncio.get_running_loop().call_later(0.2, gate.open)
        return (await job).status

    assert asyncio.run(await_it()) == "Completed"
    assert job.result()["result"].tolist() == ["000.csv", "001.csv", "002.csv", "003.csv"]
    assert job.output.read_text() == "000.csv\n001.csv\n002.csv\n003.csv\n"


def test_cancel_and_resume(lab):
    gate = lab.gate()
    lab.deploy("stopped", gate.script(), mini_batch_size=1)
    job = lab.client.jobs.handle(lab.invoke("stopped", 3))
    gate.wait_calls(1)
    assert job.cancel(wait=True).status == "Canceled"
    with pytest.raises(JobCanceled):
        job.result()
    gate.open()
    assert len(job.resume().result()) == 3


def test_what_is_shown_of_a_job_has_its_last_numbers(lab):
    job = lab.client.jobs.handle(lab.run(lab.deploy("plain", PLAIN), 5).name)
    document = job._repr_mimebundle_()["application/vnd.batchmagic.job.v1+json"]
    assert (document["status"], document["progress"]["rows"]) == ("Completed", 5)
    assert job.errors()._repr_mimebundle_()["text/plain"].startswith("No errors")
