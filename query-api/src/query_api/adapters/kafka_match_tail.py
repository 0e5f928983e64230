"""Follows the topic of decisions from its end and publishes what it reads to the decision feed.

Nothing is stored and nothing is committed: a decision that is missed here is in the read model. So a
record that cannot be read is counted and left out, and Kafka being away makes waiting requests slower, not
wrong.
"""

import asyncio
from datetime import timedelta

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import MatchDecided
from attendance_schemas.topics import MATCHES
from query_api.adapters.decision_feed import InMemoryDecisionFeed
from query_api.metrics import QueryApiMetrics
from service_kit.backoff import Backoff
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.topic_reader import StartAt, TopicReader

log = get_logger(__name__)

# Records that wait for being decoded; only a registry that hangs makes them that many.
_QUEUE_SIZE = 10_000
_LOOK_AT_TAIL = timedelta(seconds=5)


class KafkaMatchTail:
    """Runs until it is cancelled; any error but an outage is a bug and ends it."""

    def __init__(
        self, kafka: KafkaSettings, codec: Codec, feed: InMemoryDecisionFeed, metrics: QueryApiMetrics
    ) -> None:
        self._codec = codec
        self._feed = feed
        self._metrics = metrics
        self._queue: asyncio.Queue[Record] = asyncio.Queue(_QUEUE_SIZE)
        # New decisions only: nobody waits for one of the past.
        self._tail = TopicReader(kafka, kafka.topic(MATCHES.name), self._on_record, start_at=StartAt.END)

    async def check(self) -> None:
        """Raise TransientFailure unless decisions are followed."""
        await self._tail.check()

    async def run(self) -> None:
        """Follow the topic, however long Kafka takes to be there."""
        await self._start()
        try:
            while True:
                await self._note_whether_following()
                try:
                    async with asyncio.timeout(_LOOK_AT_TAIL.total_seconds()):
                        record = await self._queue.get()
                except TimeoutError:
                    continue
                await self._publish(record)
        finally:
            self._metrics.following.set(0)
            await self._tail.close()

    async def _start(self) -> None:
        backoff = Backoff()
        while True:
            try:
                await self._tail.open()
            except TransientFailure as error:
                log.warning("not following decisions yet", dependency=error.dependency, error=error.detail)
                await asyncio.sleep(backoff.next_delay().total_seconds())
            else:
                return

    async def _note_whether_following(self) -> None:
        try:
            await self._tail.check()
        except TransientFailure:
            self._metrics.following.set(0)
        else:
            self._metrics.following.set(1)

    def _on_record(self, record: Record) -> None:
        try:
            self._queue.put_nowait(record)
        except asyncio.QueueFull:
            self._metrics.skipped_records.labels("overflow").inc()

    async def _publish(self, record: Record) -> None:
        try:
            event = await self._codec.decode(record.value)
        except UndecodableRecord as error:
            self._skip(record, "undecodable", error)
        except RegistryUnavailable as error:
            self._skip(record, "registry-away", error)
        else:
            if isinstance(event, MatchDecided):
                self._feed.publish(event)

    def _skip(self, record: Record, reason: str, error: Exception) -> None:
        self._metrics.skipped_records.labels(reason).inc()
        log.warning("decision left out", record=str(record), reason=reason, error=str(error))
