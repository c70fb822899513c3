"""Schema 2: the changes of a job's state are kept. Jobs from before begin with the state that they have."""

NUMBER = 2
STEPS = (
    (
        "CREATE TABLE job_events (seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, job INTEGER NOT NULL, "
        "run INTEGER NOT NULL, at FLOAT NOT NULL, status TEXT NOT NULL, detail TEXT NOT NULL, epoch INTEGER)"
    ),
    "CREATE INDEX job_events_by_job ON job_events (job, seq)",
    (
        "INSERT INTO job_events (job, run, at, status, detail) "
        "SELECT seq, run, coalesce(ended_at, started_at, created_at), status, status_detail FROM jobs ORDER BY seq"
    ),
)
