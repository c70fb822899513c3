"""What the host tells a driver."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HostStopping:
    """The host leaves: give everything back, another host goes on from the ledger."""


@dataclass(frozen=True, slots=True)
class InstancesFailed:
    """Instances do not start, however often that is tried."""

    detail: str


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one instance has for its slots: cores, and memory in bytes."""

    cores: int
    memory: int

    def share(self, instances: int) -> tuple[int, int]:
        """Return cores and memory for each of so many instances."""
        return max(1, self.cores // instances), self.memory // instances
