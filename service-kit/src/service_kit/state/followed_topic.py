"""Follows a compacted topic, one record after the other, complete before it is used.

A `CompactedView` hands over bytes without waiting; applying a record may have to wait for a dependency, to
decode it, say. So records queue up here and one task applies them in order. A dependency that is away delays
the topic.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import timedelta

from service_kit.backoff import Backoff
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Position, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.state.compacted_view import CompactedView

log = get_logger(__name__)

START_LIMIT = timedelta(minutes=5)

Apply = Callable[[Record, float], Awaitable[None]]
"""Applies a record, read at a time of the loop's clock; one of the errors in `again`: try it again."""


class FollowedTopic:
    """Follows the topic in the background; an async context is not needed, `start` and `stop` are."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        apply: Apply,
        *,
        again: tuple[type[Exception], ...] = (TransientFailure,),
        start_limit: timedelta = START_LIMIT,
    ) -> None:
        """Follow a topic, named without the prefix. again: errors of `apply` that only delay a record."""
        self._kafka = kafka
        self._topic = topic
        self._apply = apply
        self._again = again
        self._start_limit = start_limit
        self._queue: asyncio.Queue[tuple[Record, float]] = asyncio.Queue()
        self._queued = self._applied = 0
        self._moved = asyncio.Condition()
        self._view: CompactedView | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Return when everything that the topic holds now is applied; go on in the background.

        Raises:
            TransientFailure: a dependency is away; call again.
        """
        await self.stop()
        self._queue, self._queued, self._applied = asyncio.Queue(), 0, 0
        view = CompactedView(
            self._kafka, self._kafka.topic(self._topic), self._enqueue, start_timeout=self._start_limit
        )
        self._task = asyncio.create_task(self._apply_all(), name=f"follower of {self._topic}")
        try:
            await view.start()
            if not await self._applied_all(self._start_limit):
                raise TransientFailure(
                    "schema-registry", f"{self._topic} was not decoded in {self._start_limit}"
                )
        except BaseException:
            await view.stop()
            await self.stop()
            raise
        self._view = view

    async def stop(self) -> None:
        """Stop following."""
        if self._view is not None:
            await self._view.stop()
            self._view = None
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def caught_up(self, timeout: timedelta) -> None:
        """Return when all that the topic holds at this moment is applied.

        Raises:
            TransientFailure: a dependency is away, or it takes too long.
        """
        if not (await self._following().caught_up(timeout) and await self._applied_all(timeout)):
            raise TransientFailure("kafka", f"{self._topic} was not read up to its end in {timeout}")

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until everything before a position is applied; False when that takes too long."""
        return await self._following().reached(position, timeout) and await self._applied_all(timeout)

    async def check(self) -> None:
        """Raise unless the topic is complete and followed; for readiness."""
        view = self._following()
        self._raise_bug()
        await view.check()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises the bug that it died of."""
        if self._view is None or self._task is None:
            return
        reading = asyncio.create_task(self._view.join())
        done, _ = await asyncio.wait({reading, self._task}, return_when=asyncio.FIRST_COMPLETED)
        reading.cancel()
        for task in done:
            if not task.cancelled():
                task.result()

    def _following(self) -> CompactedView:
        if self._view is None:
            raise TransientFailure("kafka", f"{self._topic} is not complete yet")
        return self._view

    def _enqueue(self, record: Record) -> None:
        self._queue.put_nowait((record, asyncio.get_running_loop().time()))
        self._queued += 1

    async def _applied_all(self, timeout: timedelta) -> bool:
        """Wait until what is queued now has been applied."""
        target = self._queued

        def there() -> bool:
            self._raise_bug()
            return self._applied >= target

        try:
            async with asyncio.timeout(timeout.total_seconds()), self._moved:
                await self._moved.wait_for(there)
        except TimeoutError:
            return False
        return True

    def _raise_bug(self) -> None:
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _apply_all(self) -> None:
        try:
            while True:
                await self._apply_one(*await self._queue.get())
                self._applied += 1
                if self._queue.empty():
                    async with self._moved:
                        self._moved.notify_all()
        finally:
            async with self._moved:
                self._moved.notify_all()

    async def _apply_one(self, record: Record, read_at: float) -> None:
        backoff = Backoff()
        while True:
            try:
                return await self._apply(record, read_at)
            except self._again as error:
                log.warning("a topic waits for a dependency", record=str(record), error=str(error))
                await asyncio.sleep(backoff.next_delay().total_seconds())
