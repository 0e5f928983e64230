"""Runs one server: prepares, starts, waits until it answers, watches, and stops it."""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from local_stack.errors import LocalStackError, NotReady, ServiceFailed
from local_stack.files import tail
from local_stack.running.orphans import family
from local_stack.running.ports import is_free
from local_stack.running.status import ServiceState, ServiceStatus
from local_stack.services import Service
from local_stack.services.tools import spawn
from local_stack.settings import command_for

_log = logging.getLogger(__name__)

READY_WITHIN_SECONDS = 120.0
POLL_SECONDS = 0.1
LOG_KEPT_BYTES = 10 * 1024 * 1024


class ServiceRunner:
    """The one owner of a server's process."""

    def __init__(
        self, service: Service, *, logs: Path, on_change: Callable[[], None], on_demand: bool = False
    ) -> None:
        self.service = service
        self.on_demand = on_demand
        self.log = logs / f"{service.name}.log"
        self.process: asyncio.subprocess.Process | None = None
        self.ready = asyncio.Event()
        self._state = ServiceState.IDLE if on_demand else ServiceState.WAITING
        self._detail = f"`{command_for(logs.parent, f'start {service.name}')}` starts it" if on_demand else ""
        self._ready_after: float | None = None
        self._on_change = on_change
        self._turn = asyncio.Lock()
        self._watch: asyncio.Task[None] | None = None

    @property
    def state(self) -> ServiceState:
        """What the server is doing now."""
        return self._state

    def status(self) -> ServiceStatus:
        """Describe the server now."""
        alive = self.process is not None and self.process.returncode is None
        return ServiceStatus(
            name=self.service.name,
            state=self._state,
            pid=self.process.pid if self.process and alive else None,
            ports=self.service.ports,
            ready_after_seconds=self._ready_after,
            detail=self._detail,
            log=str(self.log),
        )

    async def start(self) -> None:
        """Start the server and wait until it answers; do nothing when it already does.

        Raises:
            ServiceFailed: it ended, or did not answer in time.
        """
        async with self._turn:
            if self._state is ServiceState.READY:
                return
            began = time.monotonic()
            try:
                self._enter(ServiceState.PREPARING)
                await self.service.prepare()
                await self._launch()
                await self._await_answer(began + READY_WITHIN_SECONDS)
            except (LocalStackError, OSError) as error:
                await self._end(kill=True)
                self._enter(ServiceState.CRASHED, str(error))
                if isinstance(error, ServiceFailed):
                    raise
                raise ServiceFailed(
                    self.service.name, f"could not be started: {error}", tail(self.log)
                ) from error
            self._ready_after = round(time.monotonic() - began, 2)
            self._enter(ServiceState.READY)
            self.ready.set()

    async def stop(self, *, kill: bool = False) -> None:
        """Stop the server in its own way, or kill it and all its children at once."""
        async with self._turn:
            self._enter(ServiceState.STOPPING)
            await self._end(kill=kill)
            state = ServiceState.IDLE if self.on_demand else ServiceState.STOPPED
            self._enter(state, "killed on request" if kill else "stopped on request")

    async def _launch(self) -> None:
        busy = [port for port in self.service.ports if not is_free(port)]
        if busy:
            raise LocalStackError(f"port {busy[0]} is taken by another program; stop that program")
        if self.log.exists() and self.log.stat().st_size > LOG_KEPT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self.process = await spawn(self.service.command(), output=output)
        self._watch = asyncio.create_task(self._report_end(self.process))
        self._enter(ServiceState.STARTING)

    async def _await_answer(self, deadline: float) -> None:
        process = self.process
        while process is not None:
            if process.returncode is not None:
                raise self._failure(process.returncode)
            try:
                await self.service.check()
                await self.service.finish()
            except NotReady as error:
                self._detail = str(error)
                if time.monotonic() > deadline:
                    what = f"was not ready after {READY_WITHIN_SECONDS:.0f} s ({error})"
                    raise ServiceFailed(self.service.name, what, tail(self.log)) from error
            else:
                return
            # Polls the protocol; there is no event to wait for in another program.
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), POLL_SECONDS)

    async def _report_end(self, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        if self._state is ServiceState.READY:
            self._enter(ServiceState.CRASHED, str(self._failure(code)))

    def _failure(self, code: int) -> ServiceFailed:
        how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return ServiceFailed(self.service.name, how, tail(self.log))

    async def _end(self, *, kill: bool) -> None:
        process = self.process
        if process is None or process.returncode is not None:
            return
        doomed = family(process.pid)
        rule = self.service.stop_rule
        if not kill:
            with suppress(ProcessLookupError):
                process.send_signal(rule.signal)
            with suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), rule.seconds)
                return
        for member in doomed:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        await process.wait()

    def _enter(self, state: ServiceState, detail: str = "") -> None:
        _log.info("%s is %s. %s", self.service.name, state, detail)
        self._state = state
        self._detail = detail
        if state is not ServiceState.READY:
            self.ready.clear()
        self._on_change()
