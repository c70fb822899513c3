"""The steps from each schema of ``workspace.db`` to the next.

A step is a module ``mNNNN_subject.py`` with ``NUMBER`` and ``STEPS``, listed below in rising order.
`batchmagic.workspace.tables` always shows the newest schema; a test holds both equal. Within a
thousand numbers steps only add, so that older code can go on reading.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.workspace.migrations import (
    m0002_job_events,
    m0003_claim_place,
    m0004_job_labels,
    m0005_tokens,
    m0006_jobs_by_status,
)

if TYPE_CHECKING:
    from batchmagic.workspace.database import Migration

MIGRATIONS: tuple[Migration, ...] = (
    (m0002_job_events.NUMBER, m0002_job_events.STEPS),
    (m0003_claim_place.NUMBER, m0003_claim_place.STEPS),
    (m0004_job_labels.NUMBER, m0004_job_labels.STEPS),
    (m0005_tokens.NUMBER, m0005_tokens.STEPS),
    (m0006_jobs_by_status.NUMBER, m0006_jobs_by_status.STEPS),
)
