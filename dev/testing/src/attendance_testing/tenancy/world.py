"""Two organisations that use the same ids, over real services: what is there, and what of it has changed.

Decisions of recognition come as events of the contract, since who may act on a capture is asked here, and
not whom it shows.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg

from attendance_schemas.codec import Codec
from attendance_schemas.events import CaptureReceived, Event, MatchDecided, Outcome, to_fields
from attendance_schemas.topics import (
    CAPTURES,
    CAPTURES_BACKLOG,
    CORRECTIONS,
    DIRECTORY,
    ENROLMENTS,
    LOCKED_DAYS,
    MATCHES,
    PUNCHES,
    Topic,
)
from attendance_testing.tenancy.door import OURS, THEIRS, Door
from attendance_testing.tenancy.operations import Operation, uuid_of
from service_kit.kafka.bounded_reading import records_of
from service_kit.kafka.producer import RecordProducer
from service_kit.kafka.records import OutgoingRecord, TopicPartition
from service_kit.settings import KafkaSettings

ELSEWHERE = "another site of ours"
AT_ANOTHER_SITE = ("site-2", "person-2", "device-2")
WRITTEN = (CAPTURES, CAPTURES_BACKLOG, ENROLMENTS, PUNCHES, CORRECTIONS, DIRECTORY)
PROJECTED = (
    *(DIRECTORY, MATCHES, PUNCHES, CORRECTIONS, LOCKED_DAYS),
    *(CAPTURES, CAPTURES_BACKLOG, ENROLMENTS),
)
WITHIN_SECONDS = 60.0
# Written when a row is, whatever it says.
VOLATILE = ("projected_at", "refused_at", "revision")
HOME_OF = {"1": "site-1", "a": "site-1", "2": "site-2", "b": "site-b"}
Rows = Mapping[str, list[str]]


@dataclass(slots=True)
class World:
    """The door of ingest, the topics and the tables."""

    door: Door
    kafka: KafkaSettings
    codec: Codec
    producer: RecordProducer
    sql: asyncpg.Connection

    async def settle(self, org_id: str, suffixes: Sequence[str]) -> None:
        """Let an organisation have one thing of every kind under each suffix, and its captures decided."""
        await self.door.settle(org_id, suffixes)
        for suffix in suffixes:
            capture_id = uuid_of("capture", suffix)
            await self.decide(org_id, capture_id, suffix, f"person-{suffix}", HOME_OF[suffix])

    async def decide(self, org_id: str, capture_id: str, device: str, person_id: str, home: str) -> None:
        """Publish whom recognition identified on a capture."""
        at = datetime.now(UTC)
        received = next(
            event
            for event in await self.events([CAPTURES, CAPTURES_BACKLOG])
            if isinstance(event, CaptureReceived)
            and (event.org_id, event.capture_id) == (org_id, UUID(capture_id))
        )
        match = MatchDecided(
            event_id=uuid4(),
            occurred_at=received.occurred_at,
            recorded_at=at,
            org_id=org_id,
            capture_id=received.capture_id,
            device_id=f"device-{device}",
            site_id=received.site_id,
            device_sequence=received.device_sequence,
            time_trust=received.time_trust,
            image=received.image,
            received_at=received.recorded_at,
            outcome=Outcome.IDENTIFIED,
            model_name="m",
            model_version="1",
            gallery_size=1,
            person_id=person_id,
            person_home_site_id=home,
        )
        value = self.codec.encode(match, MATCHES)
        await self.producer.send(OutgoingRecord(self._name(MATCHES), MATCHES.key_of(match), value))

    def _name(self, topic: Topic) -> str:
        return self.kafka.topic(topic.name)

    async def events(self, topics: Sequence[Topic]) -> list[Event]:
        """Return all events that topics hold."""
        records = [record for topic in topics async for record in records_of(self.kafka, self._name(topic))]
        return [await self.codec.decode(record.value) for record in records if record.value is not None]

    async def written(self) -> dict[str, list[str]]:
        """Return what ingest has written, by organisation: the topic and the key of each record."""
        found: dict[str, list[str]] = {OURS: [], THEIRS: []}
        for topic in WRITTEN:
            async for record in records_of(self.kafka, self._name(topic)):
                key = (record.key or b"").decode()
                found[key.partition(":")[0]].append(f"{topic.name} {key}")
        return found

    async def projected(self) -> None:
        """Return once the tables hold all that the topics do, and what the projector tells is told."""
        until = time.monotonic() + WITHIN_SECONDS
        while not await self._is_even():
            if time.monotonic() > until:
                raise AssertionError(f"not within {WITHIN_SECONDS:.0f} s: the projector is even")
            await asyncio.sleep(0.2)

    async def _is_even(self) -> bool:
        told = await self.sql.fetchval("SELECT count(*) FROM attendance.outbox")
        rows = await self.sql.fetch("SELECT topic, partition, next_offset FROM attendance.consumed_position")
        positions = {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}
        found = {}
        for topic in PROJECTED:
            async for record in records_of(self.kafka, self._name(topic)):
                found[record.topic_partition] = record.committable.next_offset
        return told == 0 and all(positions.get(each) == end for each, end in found.items())

    async def rows(self) -> Rows:
        """Return the rows of every table that has organisations, as text, of each; and those elsewhere."""
        tables = await self.sql.fetch(
            "SELECT table_name FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name) WHERE table_schema = 'attendance' AND column_name = 'org_id'"
            " AND table_name !~ '_[0-9]{4}_[0-9]{2}$' AND table_name <> 'outbox'"
        )
        found: dict[str, list[str]] = {OURS: [], THEIRS: [], ELSEWHERE: []}
        for (table,) in tables:
            rows = await self.sql.fetch(
                f"SELECT org_id, (to_jsonb(t) - $1::text[])::text AS row FROM attendance.{table} AS t",  # noqa: S608
                list(VOLATILE),
            )
            for row in rows:
                text = f"{table} {row['row']}"
                found[row["org_id"]].append(text)
                if row["org_id"] == OURS and any(f'"{name}"' in text for name in AT_ANOTHER_SITE):
                    found[ELSEWHERE].append(text)
        return {name: sorted(rows) for name, rows in found.items()}

    async def ids_told(self) -> set[str]:
        """Return the ids of all facts and records that our organisation's topics hold."""
        told = [event for event in await self.events(WRITTEN) if event.org_id == OURS]
        return {
            str(value) for event in told for name, value in to_fields(event).items() if name.endswith("_id")
        }

    async def has(self, operation: Operation, fact: str) -> bool:
        """Say whether what was accepted is in the tables: as it is, waiting, or refused with a reason."""
        if operation.row is None:
            return True
        table, column = operation.row
        statement = f"SELECT count(*) FROM attendance.{table} WHERE org_id = $1 AND {column}::text = $2"  # noqa: S608
        if await self.sql.fetchval(statement, OURS, fact):
            return True
        waits = "SELECT count(*) FROM attendance.pending_fact WHERE org_id = $1 AND fact_id::text = $2"
        refused = "SELECT count(*) FROM attendance.refused_fact WHERE org_id = $1 AND fact_id = $2"
        return any([await self.sql.fetchval(each, OURS, fact) for each in (waits, refused)])
