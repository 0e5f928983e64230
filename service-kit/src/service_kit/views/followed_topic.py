"""Follows a compacted topic, one record after the other, complete before it is used.

Applying a record may have to wait for a dependency, to decode it, say. A dependency that is away delays the
topic; nothing is read ahead meanwhile but what Kafka's client holds. It can be started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from service_kit.backoff import Backoff
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Position, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.compacted_view import PATIENCE, CompactedView

log = get_logger(__name__)

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
        patience: timedelta = PATIENCE,
    ) -> None:
        """Follow a topic, named without the prefix. again: errors of `apply` that only delay a record.

        patience: a start that applies nothing for so long has failed.
        """
        self._kafka = kafka
        self._topic = topic
        self._apply = apply
        self._again = again
        self._patience = patience
        self._view: CompactedView | None = None

    @property
    def records_left(self) -> int:
        """At most so many records of the start are not applied yet."""
        return 0 if self._view is None else self._view.records_left

    @property
    def seconds_behind(self) -> float:
        """How long ago it was known that all that the topic held is applied; 0 before the first start."""
        return 0.0 if self._view is None else self._view.seconds_behind

    async def start(self) -> None:
        """Return when everything that the topic holds now is applied; go on in the background.

        Raises:
            TransientFailure: a dependency is away; call again.
        """
        await self.stop()
        self._view = CompactedView(
            self._kafka, self._kafka.topic(self._topic), self._apply_one, patience=self._patience
        )
        await self._view.start()

    async def stop(self) -> None:
        """Stop following."""
        view, self._view = self._view, None
        if view is not None:
            await view.stop()

    async def caught_up(self, timeout: timedelta) -> None:
        """Return when all that the topic holds at this moment is applied.

        Raises:
            TransientFailure: a dependency is away, or it takes too long.
        """
        if not await self._following().caught_up(timeout):
            raise TransientFailure("kafka", f"{self._topic} was not read up to its end in {timeout}")

    async def reached(self, position: Position, timeout: timedelta) -> bool:
        """Wait until everything before a position is applied; False when that takes too long."""
        return await self._following().reached(position, timeout)

    async def check(self) -> None:
        """Raise unless the topic is complete and followed, and not behind; for readiness."""
        await self._following().check()

    async def join(self) -> None:
        """Wait for the end: it comes only with `stop`, or raises what it died of."""
        if self._view is not None and self._view.ready:
            await self._view.join()

    def _following(self) -> CompactedView:
        if self._view is None or not self._view.ready:
            left = "" if self._view is None else f"; {self._view.records_left} records are left"
            raise TransientFailure("kafka", f"{self._topic} is not complete yet{left}")
        return self._view

    async def _apply_one(self, record: Record) -> None:
        read_at = self._view.fetched_at if self._view is not None else asyncio.get_running_loop().time()
        backoff: Backoff | None = None
        while True:
            try:
                return await self._apply(record, read_at)
            except self._again as error:
                log.warning("a topic waits for a dependency", record=str(record), error=str(error))
            backoff = backoff or Backoff()  # only now: making one takes longer than most records
            await asyncio.sleep(backoff.next_delay().total_seconds())
