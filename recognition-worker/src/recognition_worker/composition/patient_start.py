"""Starts the parts of a worker, each as soon as what it needs is there; a stack stops them."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Protocol, TypeVar

from attendance_schemas.errors import RegistryUnavailable
from service_kit.backoff import Backoff, retry
from service_kit.errors import TransientFailure
from service_kit.observing.logs import get_logger

log = get_logger(__name__)


class _Part(Protocol):
    async def start(self) -> None: ...

    async def stop(self) -> None: ...


Part = TypeVar("Part", bound=_Part)


class PatientStart:
    """Waits for dependencies that are away, until `stopping` is set: then it raises DeliveryStopped."""

    def __init__(
        self, stack: AsyncExitStack, stopping: asyncio.Event, waits_for: Callable[[str], None]
    ) -> None:
        self.stack = stack
        self._stopping = stopping
        self._waits_for = waits_for

    async def part(self, part: Part) -> Part:
        """Start a part, and have the stack stop it."""
        self.stack.push_async_callback(part.stop)
        await self.step(part.start)
        return part

    async def step(self, step: Callable[[], Awaitable[None]]) -> None:
        """Take one step of the start, again and again while something is away."""
        await retry(
            step,
            backoff=Backoff(maximum=timedelta(seconds=5)),
            retry_on=(TransientFailure, RegistryUnavailable),
            stopping=self._stopping,
            on_retry=self._tell,
        )
        self._waits_for("")

    def _tell(self, failure: Exception, _delay: timedelta) -> None:
        self._waits_for(str(failure))
        dependency = failure.dependency if isinstance(failure, TransientFailure) else "schema-registry"
        log.warning("the start waits", dependency=dependency, detail=str(failure))
