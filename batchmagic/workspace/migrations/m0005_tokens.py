"""Schema 5: named tokens, with which other programs come in over HTTP."""

NUMBER = 5
STEPS = (
    (
        'CREATE TABLE tokens (id TEXT NOT NULL, name VARCHAR COLLATE "NOCASE" NOT NULL, digest TEXT NOT NULL, '
        'scopes JSON NOT NULL, endpoint VARCHAR COLLATE "NOCASE", created_at FLOAT NOT NULL, expires_at FLOAT, '
        "last_used_at FLOAT, revoked_at FLOAT, PRIMARY KEY (id))"
    ),
    "CREATE UNIQUE INDEX tokens_by_name ON tokens (name) WHERE revoked_at IS NULL",
)
