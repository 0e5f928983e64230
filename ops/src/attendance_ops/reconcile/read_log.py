"""What the topics hold of facts and of decisions on them, and how far their readers are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from attendance_ops.errors import NotAllowed
from attendance_ops.log.positions import PROJECTION, RECOGNITION, positions_of, reader_of
from attendance_ops.log.provenance import attempts_of
from attendance_ops.log.reading import Log, Progress
from attendance_ops.operations import CLOCKS_APART
from attendance_ops.reconcile.facts import (
    TOPICS_OF_DECISIONS,
    TOPICS_OF_FACTS,
    Window,
    decided_by,
    identity_of,
    micros,
)
from attendance_ops.reconcile.ledger import DecisionRow, EventRow, Ledger
from attendance_schemas.errors import SchemaUnknown, UndecodableRecord
from attendance_schemas.events import Event
from attendance_schemas.topics import DEAD_LETTER_SUFFIX
from service_kit.kafka.bounded_reading import bounds_of, offsets_at, partitions_of, records_until
from service_kit.kafka.records import Record, TopicPartition

Positions = Mapping[TopicPartition, int]
AT_ONCE = 2_000
"""Records that are in memory; without a limit, all that was fetched of every partition."""


@dataclass(slots=True)
class ReadLog:
    """How many records were read, and how many of them nobody can read."""

    records: int = 0
    unreadable: int = 0
    rows: dict[str, list[Any]] = field(default_factory=dict)

    def put(self, table: str, row: object) -> None:
        """Keep a row for a table of the ledger."""
        self.rows.setdefault(table, []).append(row)

    def flush(self, ledger: Ledger) -> None:
        """Put the rows into the ledger."""
        for table, rows in self.rows.items():
            ledger.add(table, rows)
        self.rows.clear()


@dataclass(frozen=True, slots=True)
class Readers:
    """How far the services are; asked before topics and tables are read, so that these are further."""

    recognition: Positions
    projection: Positions

    def is_recognised(self, record: Record) -> bool:
        """Tell whether recognition is past a record."""
        return record.offset < self.recognition.get(record.topic_partition, 0)

    def is_projected(self, record: Record) -> bool:
        """Tell whether the projector is past a record."""
        return record.offset < self.projection.get(record.topic_partition, 0)


async def ask_readers(log: Log) -> Readers:
    """Return how far the services are. Raises TransientFailure."""
    return Readers(await positions_of(log.kafka, RECOGNITION), await positions_of(log.kafka, PROJECTION))


async def check_positions(log: Log, readers: Readers) -> None:
    """Refuse to publish into a log that its reader believes to be longer: it would pass the records over.

    Raises NotAllowed, with what to do.
    """
    topics = [log.kafka.topic(topic.name) for topic in (*TOPICS_OF_FACTS, *TOPICS_OF_DECISIONS)]
    bounds = await bounds_of(log.kafka, await partitions_of(log.kafka, *topics))
    for group, positions in ((RECOGNITION, readers.recognition), (PROJECTION, readers.projection)):
        for each, position in sorted(positions.items()):
            if each in bounds and position > bounds[each][1]:
                raise NotAllowed(
                    f"{each.topic}[{each.partition}] ends at {bounds[each][1]}, and {group} stands at "
                    f"{position}: Kafka lost the end of it. What is published now would be passed over. "
                    "First let the services read what is left, as docs/operations/reconcile.md says"
                )


async def read_log(
    log: Log, ledger: Ledger, window: Window, readers: Readers, progress: Progress = lambda _count: None
) -> ReadLog:
    """Put the facts and decisions that were published since the window began into the ledger.

    Up to the ends that topics have now, whenever the window ends: what was sent again is there, too.

    Raises:
        TransientFailure: Kafka is away.
        LogLost: topics lost records while they were read.
    """
    every = (*TOPICS_OF_FACTS, *TOPICS_OF_DECISIONS)
    names = [topic.name for topic in every]
    names += [dead.name for topic in every if (dead := topic.dead_letter_topic())]
    kafka, found = log.kafka, ReadLog()
    partitions = await partitions_of(kafka, *map(kafka.topic, names))
    ends = {each: end for each, (_, end) in (await bounds_of(kafka, partitions)).items()}
    since = await offsets_at(kafka, partitions, window.since - CLOCKS_APART)
    starts = {each: ends[each] if at is None else at for each, at in since.items()}
    async with aclosing(records_until(kafka, starts, ends, max_records=AT_ONCE)) as chunks:
        async for chunk in chunks:
            for record in chunk.records:
                await _take(log, record, readers, found)
            found.records += len(chunk.records)
            found.flush(ledger)
            progress(len(chunk.records))
    return found


async def _take(log: Log, record: Record, readers: Readers, found: ReadLog) -> None:
    is_dead = record.topic.endswith(DEAD_LETTER_SUFFIX)
    try:
        event = await log.codec.decode(record.value)
    except (UndecodableRecord, SchemaUnknown):
        found.unreadable += not is_dead
        return
    identity, decided = identity_of(event), decided_by(event)
    if is_dead or decided is not None:
        if (about := decided or identity) is not None:
            found.put(
                "decision",
                DecisionRow(
                    event.org_id,
                    about.bytes,
                    micros(record.timestamp),
                    is_dead,
                    not is_dead and readers.is_projected(record),
                ),
            )
    elif identity is not None:
        found.put("event", _row(record, event, identity.bytes, readers, log.kafka.topic_prefix))


def _row(record: Record, event: Event, identity: bytes, readers: Readers, prefix: str) -> EventRow:
    is_for_recognition = reader_of(record.topic.removeprefix(prefix)) == RECOGNITION
    image = getattr(event, "image", None)
    return EventRow(
        org=event.org_id,
        id=identity,
        kind=type(event).__name__,
        at=micros(record.timestamp),
        occurred_at=micros(event.occurred_at),
        digest=int.from_bytes(sha256(msgspec.json.encode(event)).digest()[:7]),
        device=getattr(event, "device_id", None),
        sequence=getattr(event, "device_sequence", None),
        image_key=None if image is None else image.key,
        attempts=attempts_of(record.headers),
        is_projected=readers.is_projected(record),
        is_recognised=is_for_recognition and readers.is_recognised(record),
    )
