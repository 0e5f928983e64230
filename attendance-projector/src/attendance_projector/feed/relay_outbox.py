"""Publish the outbox: in order for each key, at least once, by one relay at a time.

1. read      the oldest rows
2. publish   and await the acknowledgements of all of them
3. remove    the rows

Killed between 2 and 3, the next relay publishes the same rows again: the same events, with the same ids.
Transactions that fill the outbox wait for none of this. While Kafka is away rows stay and the wait grows;
a relay that loses its connection loses the lead with it, and another one goes on.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta

from attendance_projector.feed.metrics import OutboxMetrics
from attendance_projector.feed.ports import OutboxPublisher, OutboxQueue, OutboxRow
from service_kit.backoff import Backoff, wait
from service_kit.errors import PoisonRecord, TransientFailure
from service_kit.observing.logs import get_logger

# About half a megabyte of changed days.
ROWS_AT_ONCE = 500
# How long the outbox of a relay that was killed waits for another one, at most.
ASKS_TO_LEAD_EVERY = timedelta(seconds=0.5)
# Rows announce themselves; this is for an announcement that got lost, and how often the backlog is measured.
LOOKS_EVERY = timedelta(seconds=5)
LONGEST_WAIT = timedelta(seconds=5)

log = get_logger(__name__)

OpenQueue = Callable[[], AbstractAsyncContextManager[OutboxQueue]]
OpenPublisher = Callable[[], AbstractAsyncContextManager[OutboxPublisher]]


async def relay_outbox(
    open_queue: OpenQueue, open_publisher: OpenPublisher, metrics: OutboxMetrics, stopping: asyncio.Event
) -> None:
    """Relay whenever nobody else does, until `stopping` is set; an outage is waited for."""
    backoff = Backoff(maximum=LONGEST_WAIT)
    while not stopping.is_set():
        try:
            async with open_queue() as queue:
                if await _leads(queue, stopping):
                    log.info("this projector publishes the outbox now")
                    backoff.reset()
                    # What a producer of an earlier lead still holds back must not come after ours.
                    async with open_publisher() as publisher:
                        await _Relay(queue, publisher, metrics, stopping).run()
        except TransientFailure as failure:
            log.warning(
                "the outbox is not published here now",
                dependency=failure.dependency,
                reason=failure.detail,
            )
            await wait(backoff.next_delay(), stopping)
        finally:
            metrics.stand_by()


async def _leads(queue: OutboxQueue, stopping: asyncio.Event) -> bool:
    while not await queue.lead():
        if await wait(ASKS_TO_LEAD_EVERY, stopping):
            return False
    return not stopping.is_set()


class _Relay:
    """One lead: from the lock to the loss of the connection, or the end."""

    def __init__(
        self,
        queue: OutboxQueue,
        publisher: OutboxPublisher,
        metrics: OutboxMetrics,
        stopping: asyncio.Event,
    ) -> None:
        self._queue = queue
        self._publisher = publisher
        self._metrics = metrics
        self._stopping = stopping
        self._clock = asyncio.get_running_loop().time
        self._measured_at: float | None = None

    async def run(self) -> None:
        backoff = Backoff(maximum=LONGEST_WAIT)
        while not self._stopping.is_set():
            await self._measure()
            rows = await self._queue.first_rows(ROWS_AT_ONCE)
            if not rows:
                await self._wait_for_news()
                continue
            try:
                await self._publish(rows)
                backoff.reset()
            except TransientFailure as failure:
                if failure.dependency == "postgresql":
                    raise
                log.warning("the outbox waits", dependency=failure.dependency, reason=failure.detail)
                await wait(backoff.next_delay(), self._stopping)

    async def _wait_for_news(self) -> None:
        news = asyncio.ensure_future(self._queue.news(LOOKS_EVERY))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({news, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            stop.cancel()

    async def _publish(self, rows: Sequence[OutboxRow]) -> None:
        try:
            await self._publisher.publish(rows)
        except PoisonRecord as refused:
            if len(rows) == 1:
                await self._refuse(rows[0], refused)
                return
            # One of them, and nobody knows which.
            for row in rows:
                await self._publish([row])
            return
        await self._queue.remove(rows)
        self._metrics.published.inc(len(rows))

    async def _refuse(self, row: OutboxRow, refused: PoisonRecord) -> None:
        await self._queue.refuse(row, str(refused))
        self._metrics.refused.inc()
        log.error(
            "an event can never be published; its row stays in the outbox, look at its column refused",
            row=row.id,
            event_type=row.event_type,
            reason=str(refused),
        )

    async def _measure(self) -> None:
        now = self._clock()
        if self._measured_at is None or now - self._measured_at >= LOOKS_EVERY.total_seconds():
            self._measured_at = now
            self._metrics.observe(await self._queue.backlog())
