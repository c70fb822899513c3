"""Words of the stores that others use too: here they come without SQLAlchemy."""

CHILD_SUFFIX = "-batchscoring"
"""How the name of every job's child ends."""

INVOKE, READ, MANAGE = SCOPES = ("invoke", "read", "manage")
"""What a token may be good for."""
TOKEN_PREFIX = "bmt_"  # noqa: S105 - what the text of every token begins with, so that one that leaked is recognised

CHANGED_KINDS = ("computes", "data", "deployments", "endpoints", "environments", "jobs", "models")
"""Of what a change is told: `jobs` stands for what people write on jobs, such as tags and whether they are archived."""

STATUSES = ("completed", "failed", "retrying", "waiting")
"""How a mini-batch stands: it has its rows, failed for good, failed and is tried again, or was not heard of yet."""
RETRIED = "retried"
"""What has failed at least once, whatever became of it."""
