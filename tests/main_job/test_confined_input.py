"""A job of a caller with limits reads nothing but what lies where its input lies, whatever links say."""

from __future__ import annotations

import pytest
from main_job_support import ENDPOINT, PLAIN

from batchmagic.sdk.access import Access

CANARY = "canary-of-confined-inputs"


@pytest.fixture(scope="module")
def confined(lab):
    lab.deploy("plain", PLAIN)
    root, foreign = lab.new_folder("root"), lab.new_folder("foreign")
    (root / "beside").mkdir(parents=True)
    (root / "beside" / "x.csv").write_text("1\n")
    foreign.mkdir()
    (foreign / "secret.csv").write_text(CANARY)

    def run(links):
        folder = root / f"day{len(list(root.iterdir()))}"
        folder.mkdir()
        (folder / "a.csv").write_text("1\n")
        for name, target in links.items():
            (folder / name).symlink_to(target)
        job = lab.client.batch_endpoints.invoke(
            ENDPOINT, deployment_name="plain", input=str(folder), access=Access(roots=[root])
        )
        return lab.ended(job.name)

    return run, root, foreign


def test_a_link_that_stays_in_the_root_is_followed(lab, confined):
    run, root, foreign = confined
    job = run({"b.csv": root / "beside" / "x.csv", "folder": foreign})
    assert job.status == "Completed", job.error
    assert lab.lines(job.name) == ["a.csv", "b.csv"]


def test_a_link_that_leads_out_ends_the_job_before_anything_is_read(lab, confined):
    run, _, foreign = confined
    job = run({"b.csv": foreign / "secret.csv"})
    assert job.status == "Failed"
    assert "'b.csv' in the input is a link that leads out of it." in job.error["message"]
    assert job.progress.files == 0
    kept = [path for path in lab.root.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in kept if CANARY.encode() in path.read_bytes()]
