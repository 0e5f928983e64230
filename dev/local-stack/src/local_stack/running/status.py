"""What can be said about a stack and its servers at one moment, and its JSON form."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class ServiceState(StrEnum):
    """What a server is doing; one that is idle starts when it is asked for, and nobody misses it."""

    WAITING = "waiting"
    IDLE = "idle"
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"


class Phase(StrEnum):
    """What the stack as a whole is doing."""

    DOWN = "down"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


@dataclass(frozen=True)
class ServiceStatus:
    """A server at one moment; `detail` says why it is not ready."""

    name: str
    state: ServiceState
    pid: int | None
    ports: tuple[int, ...]
    ready_after_seconds: float | None
    detail: str
    log: str

    @property
    def is_settled(self) -> bool:
        """Whether nothing will change by itself."""
        return self.is_well or self.state in {ServiceState.STOPPED, ServiceState.CRASHED}

    @property
    def is_well(self) -> bool:
        """Whether it answers, or need not."""
        return self.state in {ServiceState.READY, ServiceState.IDLE}


@dataclass(frozen=True)
class StackStatus:
    """The stack at one moment."""

    phase: Phase
    supervisor_pid: int | None
    services: tuple[ServiceStatus, ...]

    @property
    def crashed(self) -> tuple[ServiceStatus, ...]:
        """The servers that ended without being asked to."""
        return tuple(service for service in self.services if service.state is ServiceState.CRASHED)

    @property
    def is_ready(self) -> bool:
        """Whether every server answers that has to."""
        return self.phase is Phase.RUNNING and all(service.is_well for service in self.services)


DOWN = StackStatus(phase=Phase.DOWN, supervisor_pid=None, services=())


def parse_status(raw: Mapping[str, Any]) -> StackStatus:
    """Rebuild a status from its JSON form."""
    return StackStatus(
        phase=Phase(raw["phase"]),
        supervisor_pid=raw["supervisor_pid"],
        services=tuple(
            ServiceStatus(**{**entry, "state": ServiceState(entry["state"]), "ports": tuple(entry["ports"])})
            for entry in raw["services"]
        ),
    )
