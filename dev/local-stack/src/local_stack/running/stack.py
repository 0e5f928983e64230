"""The stack as an object: up, down, status, and single servers taken away and brought back.

The servers run under a supervisor in the background, which outlives this process. All calls block; from
asyncio use `asyncio.to_thread`.
"""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from local_stack.downloads.artifacts import ArtifactCache, Progress, ignore
from local_stack.environment import StackEnv, stack_env
from local_stack.errors import LocalStackError, NotRunning
from local_stack.files import is_locked, locked
from local_stack.keys.encryption import template_encryption_keys
from local_stack.keys.tokens import ensure_key
from local_stack.running.control import ask, lock_path, read_failure
from local_stack.running.orphans import SERVICES, end_orphans
from local_stack.running.ports import LOOPBACK
from local_stack.running.state import StackState, load_state, open_state
from local_stack.running.status import DOWN, Phase, StackStatus
from local_stack.services.postgres_home import home_path
from local_stack.services.registry import SchemaRegistry
from local_stack.services.toxiproxy import Toxiproxy
from local_stack.settings import cache_folder, command_for, stack_folder
from local_stack.toxiproxy import build_toxiproxy

UP_WITHIN_SECONDS, DOWN_WITHIN_SECONDS = 180.0, 90.0
POLL_SECONDS = 0.1


def _ignore(_status: StackStatus) -> None:
    """Show nothing."""


class Stack:
    """One stack, named by its folder."""

    def __init__(self, folder: Path | None = None, cache: Path | None = None) -> None:
        self.folder = stack_folder(folder)
        self.cache = ArtifactCache(cache_folder(cache))

    @property
    def is_running(self) -> bool:
        """Whether a supervisor runs, ready or not."""
        return is_locked(lock_path(self.folder))

    @property
    def env(self) -> StackEnv:
        """The variables by which services find the stack; they exist from the first start on."""
        return self._env()

    def port(self, name: str) -> int:
        """Return a port that no variable names, such as `s3-tls`."""
        return self._state().ports[name]

    @property
    def env_through_proxies(self) -> StackEnv:
        """The same, with Toxiproxy before every server; for when the service `toxiproxy` runs."""
        return self._env(proxied=True)

    @property
    def toxiproxy_url(self) -> str:
        """Where Toxiproxy's API answers once `toxiproxy` runs; its proxies are named as the services."""
        return f"http://{LOOPBACK}:{self._state().ports['toxiproxy']}"

    def _env(self, *, proxied: bool = False) -> StackEnv:
        state = self._state()
        with locked(self.folder / "state.lock"):  # a stack of an earlier version gets its key here
            return stack_env(self.folder, state, proxied=proxied)

    def _state(self) -> StackState:
        state = load_state(self.folder)
        if state is None:
            raise LocalStackError(
                f"There is no stack in {self.folder}; run `{command_for(self.folder, 'up')}` first."
            )
        return state

    def prepare(
        self,
        *,
        brokers: int | None = None,
        replica: bool | None = None,
        secure: bool | None = None,
        progress: Progress = ignore,
    ) -> StackState:
        """Download what is missing, and make ports, secrets and keys at the first start.

        secure: servers ask for certificates, and Kafka for permissions.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cache.folder.mkdir(parents=True, exist_ok=True)
        self.cache.fetch(progress)
        with locked(self.folder / "state.lock"):
            state = open_state(
                self.folder, self.cache.folder, brokers=brokers, replica=replica, secure=secure
            )
            if state.secure:
                self.cache.fetch_tls_postgres(progress)
            ensure_key(self.folder)
            template_encryption_keys(self.folder)
        return state

    def up(
        self,
        *,
        brokers: int | None = None,
        replica: bool | None = None,
        on_status: Callable[[StackStatus], None] = _ignore,
    ) -> bool:
        """Start the stack in the background and wait until every server answers.

        Returns whether this call started it; an already running stack is left as it is.

        Raises:
            ServiceFailed: a server did not start; everything is stopped again.
        """
        started = False
        if not self.is_running:
            self.prepare(brokers=brokers, replica=replica)
            started = self._launch()
        self._await_ready(on_status)
        return started

    def down(self) -> bool:
        """Stop everything; data stays. Return whether anything ran.

        Services go first that ran over the stack for a process that was killed, the demo for example.
        """
        ended = end_orphans(self.folder, kind=SERVICES)
        try:
            ask(self.folder, {"command": "down"})
        except NotRunning:
            if not self.is_running:
                return ended + end_orphans(self.folder) > 0
        deadline = time.monotonic() + DOWN_WITHIN_SECONDS
        while self.is_running:
            if time.monotonic() > deadline:
                raise LocalStackError(f"The stack in {self.folder} did not stop; see its logs folder.")
            time.sleep(POLL_SECONDS)
        return True

    def delete(self) -> None:
        """Delete the folder of a stopped stack with all its data.

        Raises:
            LocalStackError: the stack runs, or the folder holds no stack.
        """
        if self.is_running or load_state(self.folder) is None:
            raise LocalStackError(f"{self.folder} holds no stopped stack; nothing was deleted.")
        shutil.rmtree(home_path(self.folder), ignore_errors=True)
        shutil.rmtree(self.folder)

    def status(self) -> StackStatus:
        """Describe the stack; phase `down` when nothing runs."""
        try:
            return ask(self.folder, {"command": "status"})
        except NotRunning:
            return DOWN

    def stop_service(self, name: str, *, kill: bool = False) -> StackStatus:
        """Take one server away: in its own way, or with SIGKILL to it and its children."""
        return ask(self.folder, {"command": "stop", "service": name, "kill": kill})

    def start_service(self, name: str) -> StackStatus:
        """Bring one server back, on the same port and data, and wait until it answers.

        `toxiproxy` is built from its locked sources at its first start, in this process.
        """
        if name == Toxiproxy.name:
            build_toxiproxy(self.cache.folder)
        return ask(self.folder, {"command": "start", "service": name})

    def lose_registry(self) -> StackStatus:
        """Take the schema registry's disk away, and bring it back empty."""
        self.stop_service(SchemaRegistry.name, kill=True)
        shutil.rmtree(self.folder / SchemaRegistry.name)
        return self.start_service(SchemaRegistry.name)

    def _launch(self) -> bool:
        """Start the supervisor; False when another one was quicker."""
        logs = self.folder / "logs"
        logs.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "local_stack", "supervise", str(self.folder), str(self.cache.folder)]
        with (logs / "supervisor.log").open("ab") as output:
            ended = subprocess.run(  # noqa: S603 - our own module
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                check=False,
            )
        return ended.returncode == 0

    def _await_ready(self, on_status: Callable[[StackStatus], None]) -> None:
        deadline = time.monotonic() + UP_WITHIN_SECONDS
        while time.monotonic() < deadline:
            status = self.status()
            on_status(status)
            if status.phase is Phase.RUNNING:
                return
            if not self.is_running:
                log = self.folder / "logs" / "supervisor.log"
                raise read_failure(self.folder) or LocalStackError(f"The supervisor ended; see {log}.")
            time.sleep(POLL_SECONDS)
        raise LocalStackError(f"The stack in {self.folder} was not ready after {UP_WITHIN_SECONDS:.0f} s.")
