"""A topic as decoded events, in order and complete before it is used.

The view of the plumbing hands over bytes without waiting for anybody; decoding may have to ask the schema
registry. So records queue up here, and a task of its own decodes and applies them. A registry that is away
delays the view.
"""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Self

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import Event
from attendance_schemas.topics import Topic
from ingest.metrics import IngestMetrics
from service_kit.backoff import Backoff
from service_kit.compacted_view import CompactedView
from service_kit.errors import TransientFailure
from service_kit.logs import get_logger
from service_kit.records import Position, Record
from service_kit.settings import KafkaSettings

log = get_logger(__name__)

Apply = Callable[[Record, Event | None], None]


class KafkaEventView:
    """Gives every record of a topic and its event (None for a tombstone) to `apply`, from the beginning."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: Topic,
        codec: Codec,
        apply: Apply,
        metrics: IngestMetrics,
        *,
        start_timeout: timedelta = timedelta(seconds=60),
    ) -> None:
        self._topic = topic
        self._codec = codec
        self._apply = apply
        self._metrics = metrics
        self._start_timeout = start_timeout
        self._queue: asyncio.Queue[Record] = asyncio.Queue()
        self._queued = 0
        self._applied = 0
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._view = CompactedView(kafka, kafka.topic(topic.name), self._enqueue, start_timeout=start_timeout)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Apply what the topic holds now, then go on in the background.

        Raises:
            TransientFailure: Kafka or the schema registry is away; make a new view and start that.
        """
        self._task = asyncio.create_task(self._decode_all(), name=f"decoder of {self._topic.name}")
        try:
            await self._view.start()
            if not await self._applied_all(self._start_timeout):
                raise TransientFailure(
                    "schema-registry", f"{self._topic.name} was not decoded in {self._start_timeout}"
                )
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop following the topic."""
        await self._view.stop()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(self._task, return_exceptions=True)

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until everything before a position was applied; False when that takes too long."""
        return await self._view.reached(position, timeout) and await self._applied_all(timeout)

    async def check(self) -> None:
        """Raise unless the view is complete and following; for readiness."""
        await self._view.check()
        self._raise_bug()

    async def join(self) -> None:
        """Wait for the view's end: it ends only when it is stopped, or raises the bug it died of."""
        tasks = {asyncio.ensure_future(self._view.join())} | ({self._task} if self._task else set())
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()

    def _enqueue(self, record: Record) -> None:
        self._queue.put_nowait(record)
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

    async def _decode_all(self) -> None:
        try:
            while True:
                await self._decode(await self._queue.get())
                self._applied += 1
                if self._queue.empty():
                    async with self._moved:
                        self._moved.notify_all()
        finally:
            async with self._moved:
                self._moved.notify_all()

    async def _decode(self, record: Record) -> None:
        backoff = Backoff()
        while True:
            try:
                event = None if record.value is None else await self._codec.decode(record.value)
            except RegistryUnavailable as error:
                log.warning("a view waits for the schema registry", record=str(record), error=str(error))
                await asyncio.sleep(backoff.next_delay().total_seconds())
                continue
            except UndecodableRecord as error:
                self._metrics.unreadable_records.labels(self._topic.name).inc()
                log.error("a record was left out of a view", record=str(record), error=str(error))  # noqa: TRY400
                return
            self._apply(record, event)
            return
