"""What operators did, as `attendance.operations` has it: read as a whole, and added to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID, uuid4

from attendance_ops.log.reading import Log
from attendance_schemas.errors import UndecodableRecord
from attendance_schemas.events import DeadLetterSettled, Event, ReplayPosition, ReplayRecorded, ReplayState
from attendance_schemas.topics import OPERATIONS
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord

# Of the largest offset.
_DIGITS = 19
CLOCKS_APART = timedelta(minutes=10)
"""Between this machine's clock and the broker's."""


class Place(NamedTuple):
    """Where a record lies: topic without prefix, partition, offset."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    @classmethod
    def of(cls, text: str) -> Place | None:
        """Read it back; None: it is no such text."""
        topic, _, numbers = text.partition(":")
        partition, _, offset = numbers.partition(":")
        if not all(each.isdecimal() and len(each) <= _DIGITS for each in (partition, offset)):
            return None
        return cls(topic, int(partition), int(offset))


@dataclass(frozen=True, slots=True)
class Operations:
    """The topic's events, and a producer that adds to them."""

    log: Log
    producer: RecordProducer

    async def settlements(self) -> Mapping[Place, DeadLetterSettled]:
        """Return the last decision on each dead letter that was settled. Raises TransientFailure."""
        found = {}
        async for event in self._events():
            if isinstance(event, DeadLetterSettled):
                found[_place_of(event)] = event
        return found

    async def first_settlements(self, since: datetime) -> Mapping[Place, DeadLetterSettled]:
        """Return the first decision since an instant on each dead letter. Raises TransientFailure."""
        found: dict[Place, DeadLetterSettled] = {}
        async for event in self._events(since):
            if isinstance(event, DeadLetterSettled):
                found.setdefault(_place_of(event), event)
        return found

    async def replays(self, since: datetime | None = None) -> list[ReplayRecorded]:
        """Return the steps of all replays, in the order of the log, or those since an instant.

        Raises:
            TransientFailure: Kafka is away.
        """
        return [event async for event in self._events(since) if isinstance(event, ReplayRecorded)]

    async def record(self, *events: Event) -> None:
        """Write what was done, and wait until every in-sync replica has it. Raises TransientFailure."""
        topic = self.log.kafka.topic(OPERATIONS.name)
        await self.producer.send_all(
            [
                OutgoingRecord(topic, OPERATIONS.key_of(event), self.log.codec.encode(event, OPERATIONS))
                for event in events
            ]
        )

    async def _events(self, since: datetime | None = None) -> AsyncIterator[Event]:
        async for record in records_of(self.log.kafka, self.log.kafka.topic(OPERATIONS.name), since=since):
            if record.value is None:
                continue
            try:
                yield await self.log.codec.decode(record.value)
            except UndecodableRecord as error:
                raise UndecodableRecord(f"{record}: {error}; update attendance-ops, and try again") from error


def _place_of(event: DeadLetterSettled) -> Place:
    return Place(event.dead_letter_topic, event.dead_letter_partition, event.dead_letter_offset)


def step_of(
    job_id: UUID,
    state: ReplayState,
    *,
    runner_id: UUID,
    operator: str,
    approved_by: str | None = None,
    plan: str | None = None,
    positions: Iterable[ReplayPosition] = (),
    target_positions: Iterable[ReplayPosition] = (),
    published_count: int = 0,
    set_aside_count: int = 0,
    detail: str | None = None,
) -> ReplayRecorded:
    """Return a step that happens now."""
    now = datetime.now(UTC)
    return ReplayRecorded(
        event_id=uuid4(),
        occurred_at=now,
        recorded_at=now,
        org_id="",
        job_id=job_id,
        state=state,
        runner_id=runner_id,
        recorded_by=operator,
        approved_by=approved_by,
        plan=plan,
        positions=tuple(positions),
        target_positions=tuple(target_positions),
        published_count=published_count,
        set_aside_count=set_aside_count,
        detail=detail,
    )


@asynccontextmanager
async def open_operations(log: Log, *, max_request_bytes: int = 1_048_576) -> AsyncIterator[Operations]:
    """Give the operations; raises SchemaNotRegistered when the contract was not applied."""
    await log.codec.prepare([OPERATIONS])
    async with RecordProducer(log.kafka, max_request_bytes=max_request_bytes) as producer:
        yield Operations(log, producer)
