"""Schema 3: a claim says which folder its owner serves, so that a copy of a workspace does not take it for its own."""

NUMBER = 3
STEPS = ("ALTER TABLE claims ADD COLUMN place TEXT",)
