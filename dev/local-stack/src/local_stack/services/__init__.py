"""The servers of the stack: how each is prepared, started, asked whether it is ready, and stopped."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals
from typing import Protocol


@dataclass(frozen=True)
class Identity:
    """A user and group of the operating system, by number."""

    user: int
    group: int


@dataclass(frozen=True)
class Command:
    """A process to start."""

    argv: tuple[str, ...]
    folder: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    # Another user to run as; only set when we are root and the server refuses to be.
    identity: Identity | None = None


@dataclass(frozen=True)
class StopRule:
    """How to ask a server to end, and after how long to kill it."""

    signal: Signals = SIGTERM
    seconds: float = 20.0


class Service(Protocol):
    """One server of the stack."""

    @property
    def name(self) -> str:
        """The name in commands, logs and status."""

    @property
    def after(self) -> tuple[str, ...]:
        """Names of the services that must be ready before this one starts."""

    @property
    def stop_rule(self) -> StopRule:
        """How this server is stopped."""

    @property
    def ports(self) -> tuple[int, ...]:
        """The loopback ports that this server will listen on."""

    async def prepare(self) -> None:
        """Make data folders and configuration; repeatable."""

    def command(self) -> Command:
        """Say what to start."""

    async def check(self) -> None:
        """Ask the server in its own protocol; raise NotReady until it answers."""

    async def finish(self) -> None:
        """Create what belongs into the running server (roles, buckets).

        Repeatable; raise NotReady when the server is not up to it yet.
        """
