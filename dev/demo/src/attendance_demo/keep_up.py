"""Keeps the demo up while a reader harms it: a service that ended starts again, of a server it says how.

A service that ends again and again soon after its start is left alone: then something is wrong that another
start does not mend, and the line says where its log is.
"""

import shlex
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from attendance_demo.deployment import Deployment, Service
from attendance_demo.errors import ServiceFailed
from local_stack.running.status import StackStatus
from local_stack.settings import command_for

LOOK_EVERY_SECONDS = 0.5
QUICK_SECONDS = 30.0
MOST_QUICK_ENDS = 5
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 16.0


@dataclass(slots=True)
class _Life:
    """What is known of the starts and ends of one service."""

    started_at: float
    quick_ends: int = 0
    start_at: float | None = None
    given_up: bool = False


@dataclass(slots=True)
class Keeper:
    """Looks after the services of a deployment and the servers below them; `say` prints one line."""

    deployment: Deployment
    status: Callable[[], StackStatus]
    folder: Path
    say: Callable[[str], object]
    clock: Callable[[], float] = time.monotonic
    _lives: dict[str, _Life] = field(default_factory=dict)
    _crashed: set[str] = field(default_factory=set)

    def look(self) -> None:
        """Do what is due now."""
        for service in list(self.deployment.services.values()):
            life = self._lives.setdefault(service.name, _Life(self.clock()))
            if service.process.poll() is None or life.given_up:
                continue
            if life.start_at is None:
                self._ended(service, life)
            elif self.clock() >= life.start_at:
                self.deployment.start_again(service.name)
                life.started_at, life.start_at = self.clock(), None
        self._look_at_servers()

    def check(self) -> None:
        """Raise ServiceFailed when a service is left alone."""
        for name, life in self._lives.items():
            if life.given_up:
                raise ServiceFailed(
                    f"{name} does not stay up; its log is {self.deployment.services[name].log}"
                )

    def _ended(self, service: Service, life: _Life) -> None:
        is_quick = self.clock() - life.started_at < QUICK_SECONDS
        life.quick_ends = life.quick_ends + 1 if is_quick else 1
        how = f"{service.name} {service.how_it_ended()}"
        if life.quick_ends >= MOST_QUICK_ENDS:
            life.given_up = True
            self.say(
                f"{how}, {life.quick_ends} times in a row; it is not started again. Its log: {service.log}. "
                "End the demo with Ctrl-C, mend the cause, and start it again"
            )
            return
        wait = min(FIRST_WAIT_SECONDS * 2 ** (life.quick_ends - 1), LONGEST_WAIT_SECONDS)
        life.start_at = self.clock() + wait
        self.say(f"{how}; it starts again in {wait:.0f} s")

    def _look_at_servers(self) -> None:
        crashed = {server.name: server for server in self.status().crashed}
        programs = Path(sys.executable).parent
        here = programs.relative_to(Path.cwd()) if programs.is_relative_to(Path.cwd()) else programs
        for name in sorted(crashed.keys() - self._crashed):
            command = f"{shlex.quote(str(here))}/{command_for(self.folder, f'start {name}')}"
            self.say(f"{crashed[name].detail} This brings it back: {command}")
        self._crashed = set(crashed)


@contextmanager
def kept_up(keeper: Keeper) -> Iterator[Keeper]:
    """Look again and again until the block ends."""
    ending = threading.Event()

    def look() -> None:
        while not ending.wait(LOOK_EVERY_SECONDS):
            keeper.look()

    looking = threading.Thread(target=look, name="keep-up")
    looking.start()
    try:
        yield keeper
    finally:
        ending.set()
        looking.join()
