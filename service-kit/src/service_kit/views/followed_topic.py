"""Follows a compacted topic, one record after the other, complete before it is used.

Applying a record may have to wait for a dependency, to decode it, say. A dependency that is away delays the
topic; nothing is read ahead meanwhile but what Kafka's client holds. It can be started again.

A record that nobody can read yet delays nothing: it is set aside, and tried again while `join` runs, until it
can be applied, or a later record of its key is.
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

ASIDE_AGAIN = timedelta(seconds=10)

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
        aside: tuple[type[Exception], ...] = (),
        aside_again: timedelta = ASIDE_AGAIN,
        patience: timedelta = PATIENCE,
    ) -> None:
        """Follow a topic, named without the prefix. again: errors of `apply` that only delay a record.

        aside: errors that set the record aside, to be tried every `aside_again`. patience: a start that
        applies nothing for so long has failed.
        """
        self._kafka = kafka
        self._topic = topic
        self._apply = apply
        self._again = again
        self._aside_on = aside
        self._aside_again = aside_again.total_seconds()
        self._aside: dict[bytes | None, Record] = {}
        self._applying = asyncio.Lock()
        self._patience = patience
        self._view: CompactedView | None = None

    @property
    def records_left(self) -> int:
        """At most so many records of the start are not applied yet."""
        return 0 if self._view is None else self._view.records_left

    @property
    def set_aside(self) -> int:
        """How many keys have a last record that is set aside."""
        return len(self._aside)

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
        self._aside.clear()
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
        if self._view is None or not self._view.ready:
            return
        both = {asyncio.create_task(self._view.join()), asyncio.create_task(self._try_aside_again())}
        try:
            done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in both:
                task.cancel()
        for task in done:
            task.result()

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
                return await self._apply_in_turn(record, read_at)
            except self._aside_on as error:
                self._aside[record.key] = record
                log.error(  # noqa: TRY400 - it is the record that is wrong, and the sentence says how
                    "a record is set aside until it can be read",
                    dependency=type(error).__name__,
                    record=str(record),
                    error=str(error),
                )
                return None
            except self._again as error:
                log.warning(
                    "a topic waits for a dependency",
                    dependency=type(error).__name__,
                    record=str(record),
                    error=str(error),
                )
            backoff = backoff or Backoff()  # only now: making one takes longer than most records
            await asyncio.sleep(backoff.next_delay().total_seconds())

    async def _apply_in_turn(self, record: Record, read_at: float) -> None:
        if not self._aside:
            return await self._apply(record, read_at)
        async with self._applying:
            await self._apply(record, read_at)
            self._aside.pop(record.key, None)
        return None

    async def _try_aside_again(self) -> None:
        while True:
            await asyncio.sleep(self._aside_again)
            for key in list(self._aside):
                async with self._applying:
                    # While it waited for its turn, a later record of the key may have been applied.
                    if (record := self._aside.get(key)) is not None and await self._can_be_applied(record):
                        del self._aside[key]
                        log.info("a record that was set aside is done", record=str(record))

    async def _can_be_applied(self, record: Record) -> bool:
        try:
            await self._apply(record, asyncio.get_running_loop().time())
        except (*self._aside_on, *self._again):
            return False
        return True
