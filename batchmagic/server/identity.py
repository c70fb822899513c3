"""Who sends a request, and what that one may do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from batchmagic.errors import NotAllowed, ResourceNotFoundError
from batchmagic.workspace.vocabulary import SCOPES

if TYPE_CHECKING:
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.tokens import Token

Scope = Literal["invoke", "read", "manage"]

STARTED_BY = "batchmagic.started_by"
"""The property of a job that says who started it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Who sends a request.

    Attributes
    ----------
    name
        ``token:NAME`` of a named token; ``user:NAME`` of somebody with Jupyter's own credentials.
    scopes
        What the credentials are good for: ``invoke``, ``read``, ``manage``.
    endpoint
        The only endpoint that they are good for; None: any.
    has_shell
        Whether this one can run what it likes anyway, because the server has kernels.
    """

    name: str
    scopes: frozenset[str]
    endpoint: str | None = None
    has_shell: bool = False

    @classmethod
    def of_token(cls, token: Token) -> Caller:
        """Return who shows this token."""
        return cls(name=f"token:{token.name}", scopes=token.grants, endpoint=token.endpoint)

    @classmethod
    def of_user(cls, name: str, *, has_shell: bool) -> Caller:
        """Return who has Jupyter's own credentials."""
        return cls(name=f"user:{name}", scopes=frozenset(SCOPES), has_shell=has_shell)

    def check_scope(self, scope: Scope, *, own_jobs: bool = False) -> None:
        """Pass when the credentials are good for it.

        Parameters
        ----------
        own_jobs
            Also those that may start jobs, which then see the jobs that they started.

        Raises
        ------
        NotAllowed
            If not.
        """
        if scope in self.scopes or (own_jobs and "invoke" in self.scopes):
            return
        raise NotAllowed(f"These credentials have no scope {scope!r}.", target="scope")

    def check_endpoint(self, endpoint: str | None) -> None:
        """Pass when the credentials are good for the endpoint; None means for more than one.

        Raises
        ------
        NotAllowed
            If not.
        """
        if self.endpoint is not None and (endpoint or "").lower() != self.endpoint:
            raise NotAllowed(
                f"These credentials are for the endpoint {self.endpoint!r} only.", target="endpoint"
            )

    def sees(self, record: JobRecord) -> bool:
        """Return whether this caller may know of the job."""
        if self.endpoint is not None and record.spec.endpoint != self.endpoint:
            return False
        return "read" in self.scopes or record.properties.get(STARTED_BY) == self.name

    def check_job(self, record: JobRecord) -> None:
        """Pass when this caller may know of the job.

        Raises
        ------
        ResourceNotFoundError
            If not: as if it did not exist.
        """
        if not self.sees(record):
            raise ResourceNotFoundError(kind="job", name=record.name)
