"""Schema 4: a job may have a description, tags and properties that are changed later, and may be archived."""

NUMBER = 4
STEPS = (
    "ALTER TABLE jobs ADD COLUMN labels JSON",
    "ALTER TABLE jobs ADD COLUMN archived BOOLEAN DEFAULT '0' NOT NULL",
)
