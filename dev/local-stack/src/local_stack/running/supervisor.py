"""Keeps the servers of one stack: starts them in parallel, obeys the control socket, notices crashes.

Exactly one supervisor runs per folder; it holds a lock on a file there for as long as it lives.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from local_stack.downloads.artifacts import ArtifactCache
from local_stack.errors import LocalStackError, ServiceFailed
from local_stack.files import write_private
from local_stack.running.control import failure_report, supervisor_path
from local_stack.running.orphans import end_orphans, remember
from local_stack.running.runner import ServiceRunner
from local_stack.running.state import StackState
from local_stack.running.status import Phase, ServiceState, StackStatus
from local_stack.services.catalogue import ON_DEMAND, services

OWNER_ONLY = 0o700


def socket_folder(folder: Path) -> Path:
    """Return a private folder with a short path: those of Unix sockets are limited to about 100 bytes."""
    digest = sha256(str(folder).encode()).hexdigest()[:12]
    path = Path(tempfile.gettempdir()) / f"local-stack-{os.geteuid()}-{digest}"
    path.mkdir(mode=OWNER_ONLY, exist_ok=True)
    if path.stat().st_uid != os.geteuid():
        raise LocalStackError(f"{path} belongs to another user; remove it.")
    path.chmod(OWNER_ONLY)
    return path


class Supervisor:
    """The servers of one stack, and what was asked for."""

    def __init__(
        self,
        folder: Path,
        state: StackState,
        cache: ArtifactCache,
        *,
        on_change: Callable[[StackStatus], None],
    ) -> None:
        self.folder = folder
        self.phase = Phase.STARTING
        self.stopping = asyncio.Event()
        self.crashed = asyncio.Event()
        self._observer = on_change
        self._sockets = socket_folder(folder)
        logs = folder / "logs"
        logs.mkdir(exist_ok=True)
        self._runners = {
            service.name: ServiceRunner(
                service, logs=logs, on_change=self._changed, on_demand=service.name in ON_DEMAND
            )
            for service in services(state, folder, cache, self._sockets)
        }

    def status(self) -> StackStatus:
        """Describe the stack now."""
        return StackStatus(
            phase=self.phase,
            supervisor_pid=os.getpid(),
            services=tuple(runner.status() for runner in self._runners.values()),
        )

    def runner(self, name: str) -> ServiceRunner:
        """Find a server by its name."""
        try:
            return self._runners[name]
        except KeyError:
            known = ", ".join(self._runners)
            raise LocalStackError(f"There is no service {name!r} in this stack; there are {known}.") from None

    async def start_all(self) -> None:
        """Start every server; raise the first ServiceFailed when one cannot be started."""
        end_orphans(self.folder)
        control = self._sockets / "control.sock"
        control.unlink(missing_ok=True)
        # Kept by the event loop for as long as it runs.
        await asyncio.start_unix_server(self._answer, path=control)
        announcement = {"pid": os.getpid(), "control": str(control)}
        write_private(supervisor_path(self.folder), json.dumps(announcement))
        failures: list[ServiceFailed] = []
        try:
            async with asyncio.TaskGroup() as group:
                for runner in (one for one in self._runners.values() if not one.on_demand):
                    group.create_task(self._start_one(runner))
        except* ServiceFailed as found:
            failures += [error for error in found.exceptions if isinstance(error, ServiceFailed)]
        if failures:
            raise failures[0]
        self.phase = Phase.RUNNING
        self._changed()

    async def stop_all(self) -> None:
        """Stop every server, dependants first."""
        self.phase = Phase.STOPPING
        leaders = {name for runner in self._runners.values() for name in runner.service.after}
        for is_leader in (False, True):
            chosen = [runner for name, runner in self._runners.items() if (name in leaders) is is_leader]
            await asyncio.gather(*(runner.stop() for runner in chosen))
        supervisor_path(self.folder).unlink(missing_ok=True)

    async def _start_one(self, runner: ServiceRunner) -> None:
        for name in runner.service.after:
            await self._runners[name].ready.wait()
        await runner.start()

    def _changed(self) -> None:
        status = self.status()
        remember(self.folder, [service.pid for service in status.services if service.pid])
        if self.phase is Phase.RUNNING and any(s.state is ServiceState.CRASHED for s in status.services):
            self.crashed.set()
        self._observer(status)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer: dict[str, object] = {"error": "The supervisor failed; see `local-stack logs supervisor`."}
        try:
            answer = await self._obey(json.loads(await reader.readline()))
        except ServiceFailed as failure:
            answer = {"failure": failure_report(failure)}
        except LocalStackError as error:
            answer = {"error": str(error)}
        finally:
            # A bug above still ends the connection, so that nobody waits for an answer.
            with suppress(ConnectionError):
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
                writer.close()
                await writer.wait_closed()

    async def _obey(self, request: dict[str, object]) -> dict[str, object]:
        match request:
            case {"command": "status"}:
                pass
            case {"command": "stop", "service": str(name), "kill": bool(kill)}:
                await self.runner(name).stop(kill=kill)
            case {"command": "start", "service": str(name)}:
                await self.runner(name).start()
            case {"command": "down"}:
                self.stopping.set()
            case _:
                raise LocalStackError(f"The supervisor does not know the request {request!r}.")
        return {"status": asdict(self.status())}
