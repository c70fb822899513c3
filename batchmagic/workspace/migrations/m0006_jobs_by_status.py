"""Schema 6: what has not ended is found without reading what has."""

NUMBER = 6
STEPS = ("CREATE INDEX jobs_by_status ON jobs (status)",)
