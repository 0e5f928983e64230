"""The change feed from where it ends, for a reader that knows all earlier changes."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, UndecodableRecord
from attendance_schemas.events import AttendanceDayChanged
from attendance_schemas.topics import CHANGES
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.topic_reader import StartAt, TopicReader

log = get_logger(__name__)

# More than this behind, reading the tables again is quicker.
RECORDS_HELD = 50_000
RECORDS_AT_ONCE = 1000
REACHES_THE_END_WITHIN = timedelta(seconds=5)


class KafkaChangeTail:
    """A ChangeTail over all partitions of the topic; use `open_change_tail`."""

    def __init__(self, kafka: KafkaSettings, codec: Codec) -> None:
        self._codec = codec
        self._records: deque[Record] = deque()
        self._arrived = asyncio.Event()
        self._missed = False
        self.reader = TopicReader(kafka, kafka.topic(CHANGES.name), self._on_record, start_at=StartAt.END)

    async def take(self, timeout: timedelta) -> Sequence[AttendanceDayChanged]:
        """Return what has come since the last call, in order; nothing after the timeout."""
        if not self._records:
            self._arrived.clear()
            try:
                async with asyncio.timeout(timeout.total_seconds()):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        return await self._decoded(RECORDS_AT_ONCE)

    async def take_all(self) -> Sequence[AttendanceDayChanged] | None:
        """Return the rest of what the feed holds now; None when that takes too long."""
        if not await self.reader.caught_up(REACHES_THE_END_WITHIN):
            return None
        return await self._decoded(RECORDS_HELD)

    async def _decoded(self, limit: int) -> list[AttendanceDayChanged]:
        if self._missed:
            raise TransientFailure("kafka", f"more than {RECORDS_HELD} changes came at once")
        changes: list[AttendanceDayChanged] = []
        while self._records and len(changes) < limit:
            try:
                event = await self._codec.decode(self._records[0].value)
            except RegistryUnavailable as error:
                raise TransientFailure("schema-registry", str(error)) from error
            except UndecodableRecord as error:
                log.warning("a change is left out", record=str(self._records[0]), error=str(error))
            else:
                if isinstance(event, AttendanceDayChanged):
                    changes.append(event)
            self._records.popleft()
        return changes

    def _on_record(self, record: Record) -> None:
        if len(self._records) == RECORDS_HELD:
            self._missed = True
            return
        self._records.append(record)
        self._arrived.set()


@asynccontextmanager
async def open_change_tail(kafka: KafkaSettings, codec: Codec) -> AsyncIterator[KafkaChangeTail]:
    """Follow the feed from where it ends now. Raises TransientFailure when Kafka is away."""
    tail = KafkaChangeTail(kafka, codec)
    await tail.reader.open()
    try:
        yield tail
    finally:
        await tail.reader.close()
