"""``ml_client.compute``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities import AmlCompute, Listing
from batchmagic.entities.fields import squeezed
from batchmagic.sdk.given import entity_of
from batchmagic.sdk.pollers import LROPoller, finished
from batchmagic.sdk.refusals import Refusing

if TYPE_CHECKING:
    from batchmagic.sdk.session import Session


class ComputeOperations(Refusing):
    """Computes by name; `local` is always there."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def begin_create_or_update(self, compute: AmlCompute) -> LROPoller[AmlCompute]:
        """Store the compute; nothing is started before a job needs it."""
        entity = entity_of(AmlCompute, compute)
        return finished(self._session.write().computes.put(entity))

    begin_update = begin_create_or_update

    def get(self, name: str) -> AmlCompute:
        """Return the compute.

        Raises
        ------
        ResourceNotFoundError
            If there is none of that name.
        """
        return self._session.read().computes.get(name)

    def list(self, *, compute_type: str | None = None) -> Listing[AmlCompute]:
        """Return all computes by name, which are of the one type ``amlcompute``."""
        ws = self._session.peek()
        nothing = "No workspace yet; every workspace has the compute local."
        wanted = compute_type is None or squeezed(compute_type) == "amlcompute"
        return Listing(ws.computes.list() if ws and wanted else [], kind="compute", nothing=nothing)

    def begin_delete(self, name: str, *, action: str = "Delete") -> LROPoller[None]:  # noqa: ARG002 - Azure's
        """Remove the compute.

        Raises
        ------
        StateError
            While a job or deployment needs it.
        """
        self._session.read().computes.delete(name)
        return finished(None)

    def begin_start(self, name: str) -> LROPoller[None]:
        """Start the compute's host now, ahead of the first job."""
        self._session.wake(self._session.read().computes.get(name).name)
        return finished(None)
