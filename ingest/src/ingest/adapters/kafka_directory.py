"""The directory on its compacted topic: followed into a view, and writers read their writes."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import Authority, Event
from attendance_schemas.topics import DIRECTORY
from ingest.adapters.kafka_event_publisher import KafkaEventPublisher
from ingest.domain.directory import DirectoryView
from ingest.metrics import IngestMetrics
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Position, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.followed_topic import FollowedTopic

log = get_logger(__name__)

# Awaited together; keys of one file differ, so their order among each other does not matter.
RECORDS_IN_FLIGHT = 500


class KafkaDirectory:
    """A Directory over `attendance.directory`."""

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        publisher: KafkaEventPublisher,
        metrics: IngestMetrics,
        *,
        timeout: timedelta,
    ) -> None:
        self._kafka = kafka
        self._codec = codec
        self._publisher = publisher
        self._metrics = metrics
        self._timeout = timeout
        self._view = DirectoryView()
        self._feed: FollowedTopic | None = None

    @property
    def view(self) -> DirectoryView:
        """Return what is recorded."""
        return self._view

    async def start(self) -> None:
        """Read the topic and follow it. Raises TransientFailure: call again."""
        self._view = DirectoryView()
        feed = FollowedTopic(self._kafka, DIRECTORY.name, self._apply, again=(RegistryUnavailable,))
        await feed.start()
        self._feed = feed

    async def stop(self) -> None:
        """Stop following the topic."""
        if self._feed is not None:
            await self._feed.stop()

    async def check(self) -> None:
        """Raise unless the view is complete and following; for readiness."""
        await self._following().check()

    async def join(self) -> None:
        """Wait for the view's end: it ends only when it is stopped, or raises the bug it died of."""
        await self._following().join()

    async def record(self, events: Sequence[Event]) -> None:
        """Publish records in order; return when all are acked and the view shows them."""
        newest: dict[int, Position] = {}
        for start in range(0, len(events), RECORDS_IN_FLIGHT):
            sends = (
                self._publisher.send(event, DIRECTORY) for event in events[start : start + RECORDS_IN_FLIGHT]
            )
            for result in await asyncio.gather(*sends, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
                known = newest.setdefault(result.partition, result)
                newest[result.partition] = max(known, result, key=lambda position: position.next_offset)
        for position in newest.values():
            await self._see(position)

    async def take_back(self, event: Event, authority: Authority) -> None:
        """Publish a tombstone for the key of a record, which says by whom.

        Return when it is acked and the view shows it.
        """
        await self._see(await self._publisher.send_tombstone(event, authority, DIRECTORY))

    async def _see(self, position: Position) -> None:
        if not await self._following().reached(position, self._timeout):
            raise TransientFailure("kafka", "recorded, but not yet visible here; send the same request again")

    async def _apply(self, record: Record, _read_at: float) -> None:
        try:
            event = None if record.value is None else await self._codec.decode(record.value)
        except UndecodableRecord as error:
            self._leave_out(record, str(error))
            return
        if record.key is None:
            self._leave_out(record, "it has no key")
            return
        self._view.apply(record.key.decode("utf-8", "replace"), event)
        self._metrics.directory_records.set(len(self._view.records))

    def _leave_out(self, record: Record, reason: str) -> None:
        self._metrics.unreadable_records.labels(DIRECTORY.name).inc()
        log.error("a record was left out of the directory", record=str(record), error=reason)

    def _following(self) -> FollowedTopic:
        if self._feed is None:
            raise TransientFailure("kafka", "the directory is still being read")
        return self._feed
