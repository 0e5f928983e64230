"""A compacted topic as state in memory: complete before the service reports ready, then kept up to date."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Self

from service_kit.errors import TransientFailure
from service_kit.kafka.records import Position, Record
from service_kit.kafka.topic_reader import StartAt, TopicReader
from service_kit.settings import KafkaSettings


class CompactedView:
    """Gives every record of a topic (full name), tombstones included, to `apply`, from the beginning.

    `apply` runs on the event loop and must not block. A PoisonRecord from it is logged and left out; any
    other exception is a bug that ends the view: `check` and `join` raise it.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        apply: Callable[[Record], None],
        *,
        start_timeout: timedelta = timedelta(seconds=30),
        metadata_max_age: timedelta = timedelta(seconds=30),
    ) -> None:
        self._topic = topic
        self._start_timeout = start_timeout
        self._ready = False
        self._reader = TopicReader(
            kafka,
            topic,
            apply,
            start_at=StartAt.BEGINNING,
            start_timeout=start_timeout,
            metadata_max_age=metadata_max_age,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    @property
    def ready(self) -> bool:
        """Whether everything that the topic held at the start has been applied."""
        return self._ready

    async def start(self) -> None:
        """Apply what the topic holds now, then go on in the background.

        Raises:
            TransientFailure: Kafka is away, has no such topic or is too slow; call again.
        """
        ends = await self._reader.open()
        if not await self._reader.passed(ends, self._start_timeout):
            await self._reader.close()
            detail = f"{self._topic}: the end seen at the start was not reached in {self._start_timeout}"
            raise TransientFailure("kafka", detail)
        self._ready = True

    async def stop(self) -> None:
        """Stop following the topic."""
        await self._reader.close()

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until a position, as `send` gives it, was applied; False when it takes too long."""
        return await self._reader.reached(position, timeout)

    async def caught_up(self, timeout: timedelta) -> bool:
        """Wait until all that the topic holds at this moment was applied; False when it takes too long.

        What others had acknowledged before the call is seen after it.

        Raises:
            TransientFailure: Kafka is away.
        """
        return await self._reader.caught_up(timeout)

    async def check(self) -> None:
        """Raise unless the view is complete and following; for readiness."""
        await self._reader.check()
        if not self._ready:
            raise TransientFailure("kafka", f"{self._topic}: the view is not complete yet")

    async def join(self) -> None:
        """Wait for the view's end: it ends only when it is stopped, or raises the bug it died of."""
        await self._reader.join()
