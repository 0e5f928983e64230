"""The directory on its compacted topic: followed into a view, and writers read their writes.

Each record has a version in a header, and the end of a key has in another who ended it. Where the last record
of a key is not what counts, every process writes what does once more, after a while of its own: the first one
spares the others the work, and what several write is the same.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

import msgspec

from attendance_schemas.codec import Codec
from attendance_schemas.errors import RegistryUnavailable, SchemaUnknown, UndecodableRecord
from attendance_schemas.events import Authority, Event
from attendance_schemas.topics import DIRECTORY
from ingest.adapters.kafka_event_publisher import KafkaEventPublisher
from ingest.domain.directory import DirectoryView, Write, belongs_under
from ingest.metrics import IngestMetrics
from service_kit.errors import TransientFailure
from service_kit.kafka.records import Headers, Position, Record
from service_kit.observing.logs import get_logger
from service_kit.settings import KafkaSettings
from service_kit.views.followed_topic import FollowedTopic
from service_kit.views.record_versions import version_header, version_of
from service_kit.views.repairs import Repairs

log = get_logger(__name__)

# Awaited together; keys of one file differ, so their order among each other does not matter.
RECORDS_IN_FLIGHT = 500
# A tombstone has no value that could say who acted.
AUTHORITY = "authority"


class KafkaDirectory:
    """A Directory over `attendance.directory`. The producer of its publisher has to forget what is late."""

    def __init__(
        self,
        kafka: KafkaSettings,
        codec: Codec,
        publisher: KafkaEventPublisher,
        metrics: IngestMetrics,
        *,
        timeout: timedelta,
    ) -> None:
        self._codec = codec
        self._publisher = publisher
        self._metrics = metrics
        self._timeout = timeout
        self._view = DirectoryView()
        self._feed = FollowedTopic(
            kafka, DIRECTORY.name, self._apply, again=(RegistryUnavailable,), aside=(SchemaUnknown,)
        )
        self._repairs = Repairs(DIRECTORY.name, self._repair)
        self._writers = 0
        self._overruled: set[Position] = set()
        # Offsets of records that count and cannot be read, by key.
        self._unread: dict[str, int] = {}
        metrics.directory_records.set_function(lambda: len(self._view.records))
        metrics.directory_seconds_behind.set_function(lambda: self._feed.seconds_behind)
        metrics.directory_records_left.set_function(lambda: self._feed.records_left)
        metrics.directory_records_aside.set_function(lambda: self._feed.set_aside)

    @property
    def view(self) -> DirectoryView:
        """Return what is recorded."""
        return self._view

    async def start(self) -> None:
        """Read the topic and follow it. Raises TransientFailure: call again."""
        self._view = DirectoryView()
        self._unread.clear()
        await self._feed.start()

    async def stop(self) -> None:
        """Stop following the topic."""
        await self._feed.stop()

    async def check(self) -> None:
        """Raise unless the view is complete and following, and not behind."""
        await self._feed.check()

    def describe(self) -> str:
        """Say whether all records count, for readiness."""
        if (aside := self._feed.set_aside) == 0:
            return "whole"
        return f"{aside} records are set aside: the schema registry does not know their schema, yet"

    async def join(self) -> None:
        """Wait for the view's end: it ends only when it is stopped, or raises what it died of."""
        await self._feed.join()

    async def record(self, events: Sequence[Event]) -> Sequence[Event]:
        """Publish records in order; return, when all are acked and seen, those that do not count."""
        overruled = await self._write([self._view.write_of(event) for event in events])
        return [write.event for write in overruled if write.event is not None]

    async def take_back(self, event: Event, authority: Authority) -> bool:
        """Publish the end of a record's key; return, when it is acked and seen, whether it counts."""
        return not await self._write([self._view.end_of(event, authority)])

    async def keep_repaired(self) -> None:
        """Write once more what counts, wherever the last record does not; runs until it is cancelled."""
        await self._repairs.run()

    async def _repair(self) -> None:
        await self._feed.caught_up(self._timeout)
        if writes := self._view.repairs():
            await self._write(writes)
            self._metrics.directory_repairs.inc(len(writes))
            # No key: it may name a person.
            log.warning(
                "records that do not count were the last ones; what counts was written once more",
                records=len(writes),
            )

    async def _write(self, writes: Sequence[Write]) -> list[Write]:
        """Publish; return, when all are acked and the view shows them, those that do not count."""
        positions: list[Position] = []
        with self._noting_overruled():
            for start in range(0, len(writes), RECORDS_IN_FLIGHT):
                sends = map(self._send, writes[start : start + RECORDS_IN_FLIGHT])
                for result in await asyncio.gather(*sends, return_exceptions=True):
                    if isinstance(result, BaseException):
                        raise result
                    positions.append(result)
            newest = {each.partition: each for each in sorted(positions, key=lambda each: each.next_offset)}
            for position in newest.values():
                if not await self._feed.reached(position, self._timeout):
                    raise TransientFailure(
                        "kafka", "recorded, but not yet visible here; send the same request again"
                    )
            seen = zip(writes, positions, strict=True)
            return [write for write, position in seen if position in self._overruled]

    async def _send(self, write: Write) -> Position:
        headers: Headers = (version_header(write.version),)
        if write.ended_by is not None:
            headers = (*headers, (AUTHORITY, msgspec.json.encode(write.ended_by)))
        return await self._publisher.send(DIRECTORY, write.key.encode(), write.event, headers)

    @contextmanager
    def _noting_overruled(self) -> Iterator[None]:
        self._writers += 1
        try:
            yield
        finally:
            self._writers -= 1
            if not self._writers:
                self._overruled.clear()

    async def _apply(self, record: Record, _read_at: float) -> None:
        if record.key is None:
            self._leave_out(record, "it has no key")
            return
        key = record.key.decode("utf-8", "replace")
        try:
            event = None if record.value is None else await self._codec.decode(record.value)
            if event is not None and not belongs_under(key, event):
                raise UndecodableRecord(f"a {type(event).__name__} does not belong under this key")
        except SchemaUnknown:
            self._note_unread(record, key)
            raise
        except UndecodableRecord as error:
            self._leave_out(record, str(error))
            counts = self._note_unread(record, key)
        else:
            counts = self._take(record, key, event)
        if not counts and self._writers:
            self._overruled.add(record.committable)
        if self._view.needs_repair:
            self._repairs.ask()

    def _take(self, record: Record, key: str, event: Event | None) -> bool:
        """Take in a record that can be read; return whether it counts."""
        if event is not None and self._unread.get(key) == record.offset:
            counts = self._view.read_at_last(key, event)
        else:
            counts = self._view.apply(key, event, version=version_of(record), ended_by=_ended_by(record))
        if counts:
            self._unread.pop(key, None)
        return counts

    def _note_unread(self, record: Record, key: str) -> bool:
        """Let a record that cannot be read, or not yet, count by its version; return whether it counts."""
        if self._unread.get(key) != record.offset:
            if not self._view.leave_out(key, version_of(record)):
                return False
            self._unread[key] = record.offset
        return True

    def _leave_out(self, record: Record, reason: str) -> None:
        self._metrics.unreadable_records.labels(DIRECTORY.name).inc()
        log.error("a record was left out of the directory", record=str(record), error=reason)


def _ended_by(record: Record) -> Authority | None:
    if record.value is not None:
        return None
    try:
        return msgspec.json.decode(dict(record.headers).get(AUTHORITY, b"null"), type=Authority | None)
    except (msgspec.DecodeError, UnicodeDecodeError):
        log.warning("a tombstone does not say by whom", record=str(record))
        return None
