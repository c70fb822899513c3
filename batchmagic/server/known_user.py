"""A named token as Jupyter's authorizers and logs see it."""

from __future__ import annotations

from jupyter_server.auth import User


class TokenUser(User):
    """Who shows a named token."""
