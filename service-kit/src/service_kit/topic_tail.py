"""New records of a topic as they arrive, for those who wait for one: no group, no past, nothing stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Self

from service_kit.records import Position, Record
from service_kit.settings import KafkaSettings
from service_kit.topic_reader import StartAt, TopicReader


class TopicTail:
    """Gives every record of a topic (full name) that arrives after the start to `on_record`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        on_record: Callable[[Record], None],
        *,
        start_timeout: timedelta = timedelta(seconds=30),
        metadata_max_age: timedelta = timedelta(seconds=30),
    ) -> None:
        self._reader = TopicReader(
            kafka,
            topic,
            on_record,
            start_at=StartAt.END,
            start_timeout=start_timeout,
            metadata_max_age=metadata_max_age,
        )

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Settle where the ends are; records produced after this returns are given to `on_record`.

        Raises:
            TransientFailure: Kafka is away or has no such topic; call again.
        """
        await self._reader.open()

    async def stop(self) -> None:
        """Stop following the topic."""
        await self._reader.close()

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until a position was read; False when that takes too long."""
        return await self._reader.reached(position, timeout)

    async def check(self) -> None:
        """Raise unless the tail is following; for readiness."""
        await self._reader.check()

    async def join(self) -> None:
        """Wait for the tail's end: it ends only when it is stopped, or raises the bug it died of."""
        await self._reader.join()
