"""A compacted topic as state in memory: complete before the service reports ready, then kept up to date."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Self

from service_kit.collect_rarely import leave_alone
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Position
from service_kit.settings import KafkaSettings
from service_kit.views.reading_progress import ReadingProgress
from service_kit.views.topic_reader import BEHIND_AFTER, OnRecord, StartAt, TopicReader

PATIENCE = timedelta(seconds=60)
"""A start that takes nothing in for so long has failed; one that goes on may take as long as it takes."""
OUTDATED_AFTER = timedelta(hours=12)
"""Half of Kafka's default `delete.retention.ms`; topics that keep tombstones longer lose nothing by it."""
_LOOK_EVERY = timedelta(seconds=0.25)


class CompactedView:
    """Gives every record of a topic (full name), tombstones included, to `apply`, from the beginning.

    `apply` runs on the event loop and must not block; what it returns to wait for holds up the topic. A
    PoisonRecord from it is logged and left out; any other exception is a bug that ends the view: `check` and
    `join` raise it. They raise ViewOutdated when the view was cut off so long that tombstones may be missed.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topic: str,
        apply: OnRecord,
        *,
        start_timeout: timedelta = timedelta(seconds=30),
        patience: timedelta = PATIENCE,
        metadata_max_age: timedelta = timedelta(seconds=30),
        behind_after: timedelta = BEHIND_AFTER,
        outdated_after: timedelta = OUTDATED_AFTER,
    ) -> None:
        self._topic = topic
        self._patience = patience
        self._ready = False
        self._progress: ReadingProgress | None = None
        self._reader = TopicReader(
            kafka,
            topic,
            apply,
            start_at=StartAt.BEGINNING,
            start_timeout=start_timeout,
            metadata_max_age=metadata_max_age,
            behind_after=behind_after,
            outdated_after=outdated_after,
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

    @property
    def records_left(self) -> int:
        """At most so many records of the start are not applied yet."""
        return self._progress.left(self._reader.next_offsets) if self._progress is not None else 0

    @property
    def seconds_behind(self) -> float:
        """How long ago the view last knew all that the topic held."""
        return self._reader.seconds_behind

    @property
    def fetched_at(self) -> float:
        """When the record that is being applied was here, by the loop's clock."""
        return self._reader.fetched_at

    async def start(self) -> None:
        """Apply what the topic holds now, then go on in the background; says how far it is every few seconds.

        What is applied stays, so Python's collector is kept from looking at it again and again.

        Raises:
            TransientFailure: Kafka is away, has no such topic, or nothing was applied for long; call again.
        """
        extent = await self._reader.open()
        progress = ReadingProgress(self._topic, extent, asyncio.get_running_loop().time)
        self._progress = progress
        try:
            while not await self._reader.passed(progress.ends, min(_LOOK_EVERY, self._patience)):
                leave_alone()
                if (still := progress.note(self._reader.next_offsets)) >= self._patience:
                    left = self.records_left
                    raise TransientFailure(
                        "kafka", f"{self._topic}: {left} records are left, and none was applied for {still}"
                    )
        except BaseException:
            await self._reader.close()
            raise
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
        """Raise unless the view is complete and following, and not behind; for readiness."""
        await self._reader.check()
        if not self._ready:
            raise TransientFailure(
                "kafka", f"{self._topic}: {self.records_left} records are still to be read"
            )

    async def join(self) -> None:
        """Wait for the view's end: it ends only when it is stopped, or raises what it died of."""
        await self._reader.join()
