"""A site with facts to tell about it, and a projector that hears them."""

from collections.abc import Mapping
from datetime import date
from itertools import count
from typing import Any

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry

from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.stored import Beside, DeadLetter, EventOrTombstone, NoFact, Tombstone
from attendance_schemas.events import (
    EVENT_BY_NAME,
    ClockTicked,
    Event,
    PeriodLocked,
)
from attendance_schemas.topics import TOPICS
from attendance_testing.projector.plant_events import RECORDED_AT, PlantEvents
from local_stack.for_tests.databases import Database
from service_kit.kafka.records import Record, TopicPartition

MATCHES, DIRECTORY = "attendance.matches", "attendance.directory"
# A tombstone is the directory's.
TOPIC_OF = {name: topic.name for topic in TOPICS.values() for name in topic.events}
TOPIC_OF |= {each.__name__: "attendance.captures.dlq" for each in (DeadLetter, NoFact)}
TABLES = {
    "organisation": "org_id",
    "site": "org_id, site_id",
    "person": "org_id, person_id",
    "shift": "org_id, shift_id, effective_on",
    "roster": "org_id, roster_id",
    "holiday": "org_id, holiday_id",
    "leave": "org_id, leave_id",
    "policy": "org_id, policy_id, effective_on",
    "capture": "org_id, capture_id",
    "punch": "org_id, punch_id",
    "attendance_day": "org_id, person_id, attendance_on, shift_id",
    "day_explanation": "org_id, person_id, attendance_on, shift_id",
    "open_day": "org_id, person_id, attendance_on, shift_id",
    "unsettled_day": "org_id, person_id, attendance_on, shift_id",
    "enrolment": "org_id, enrolment_id",
    "clock": "as_of",
    "device_report": "org_id, device_id, first_sequence",
    "site_watermark": "org_id, site_id",
    "pending_fact": "org_id, fact_id",
    "correction": "org_id, correction_id",
    "refused_fact": "org_id, kind, fact_id, reason",
    "awaited_fact": "org_id, kind, fact_id",
    "dead_letter": "org_id, kind, fact_id",
    "erasure": "org_id, erasure_id",
    "erased_person": "org_id, person_id",
    "review": "org_id, review_id",
    "period_lock": "org_id, lock_id",
    "locked_person": "org_id, lock_id, sealing_id, person_id",
    "locked_day": "org_id, lock_id, sealing_id, person_id, attendance_on, shift_id",
    "locked_adjustment": "org_id, lock_id, sealing_id, person_id, attendance_on, shift_id",
    "adjustment": "org_id, person_id, attendance_on, shift_id, booked_on",
    "consumed_position": "topic, partition",
}


class EventsInMemory:
    """An `EventReader` over events that stay in memory; a record's value names its event."""

    def __init__(self) -> None:
        self._events: dict[bytes, EventOrTombstone | Beside] = {}

    def keep(self, event: EventOrTombstone | Beside) -> bytes:
        name = str(len(self._events)).encode()
        self._events[name] = event
        return name

    async def read(self, record: Record) -> EventOrTombstone | Beside:
        if record.value is None:
            named = TOPICS[DIRECTORY].fields_of(record.key or b"")
            assert named is not None
            return Tombstone(*named, key=record.key or b"")
        return self._events[record.value]


class Plant(PlantEvents):
    """A site with facts to tell about it, and a projector that hears them."""

    def __init__(
        self, read_model: PostgresReadModel, database: Database, connection: asyncpg.Connection
    ) -> None:
        super().__init__()
        self.read_model = read_model
        self.database = database
        self.url = database.url
        self.writer_url = database.writer_url
        self.feed_url = database.feed_url
        self.sql = connection
        self.events = EventsInMemory()
        self.projector = self.projector_on(read_model)
        self._offsets: dict[TopicPartition, count[int]] = {}

    def projector_on(self, read_model: Any) -> ApplyRecords:
        return ApplyRecords(self.events, read_model, ProjectorMetrics(CollectorRegistry()))

    def record(
        self, event: EventOrTombstone | Beside, topic: str | None = None, partition: int = 0
    ) -> Record:
        topic = topic or TOPIC_OF.get(type(event).__name__, DIRECTORY)
        offsets = self._offsets.setdefault(TopicPartition(topic, partition), count())
        at = event.occurred_at if isinstance(event, ClockTicked) else RECORDED_AT
        return Record(topic, partition, next(offsets), b"k", self.events.keep(event), (), at)

    async def as_administrator(self, statement: str, *values: object) -> Any:
        """Run what only an administrator may, such as to end a connection of another login."""
        connection = await asyncpg.connect(self.database.admin_url)
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    async def tell(self, *events: EventOrTombstone | Beside) -> list[Record]:
        records = [self.record(event) for event in events]
        await self.projector.apply(records)
        return records

    async def outbox(self, topic: str = "attendance.locked-days") -> list[Event]:
        """Take what is to be published on a topic, as if it had been."""
        rows = await self.sql.fetch("DELETE FROM outbox WHERE topic = $1 RETURNING *", topic)
        return [
            msgspec.json.decode(row["payload"], type=EVENT_BY_NAME[row["event_type"]])
            for row in sorted(rows, key=lambda row: row["id"])
        ]

    async def close(self, starts_on: date, ends_on: date, site: str | None = None) -> PeriodLocked:
        """Lock a period, and hear what the projector told of it."""
        lock = self.lock(starts_on, ends_on, site)
        await self.tell(lock)
        await self.tell(*await self.outbox())
        return lock

    async def tables(self, *names: str, without: tuple[str, ...] = ()) -> Mapping[str, list[dict[str, Any]]]:
        """Return all rows, with the transaction that wrote each, so that a rewritten row shows."""
        found = {}
        for name in names or TABLES:
            rows = await self.sql.fetch(f"SELECT xmin, * FROM {name} ORDER BY {TABLES[name]}")  # noqa: S608
            found[name] = [{key: row[key] for key in row.keys() if key not in without} for row in rows]  # noqa: SIM118
        return found

    async def whole_days(self) -> list[dict[str, Any]]:
        """Return all days with what lies beside them: their explanation, and what time can still decide."""
        rows = await self.sql.fetch(
            """
            SELECT * FROM attendance_day
            JOIN day_explanation USING (org_id, person_id, attendance_on, shift_id)
            LEFT JOIN unsettled_day USING (org_id, person_id, attendance_on, shift_id)
            ORDER BY org_id, person_id, attendance_on, shift_id
            """
        )
        return [dict(row) for row in rows]

    async def days(self, person: str, org_id: str = "org") -> list[tuple[str, str, str, int]]:
        rows = await self.sql.fetch(
            "SELECT * FROM attendance_day WHERE org_id = $1 AND person_id = $2 ORDER BY 3, 4", org_id, person
        )
        return [
            (str(row["attendance_on"]), row["shift_id"], row["status"], row["worked_minutes"]) for row in rows
        ]

    async def refusals(self) -> list[tuple[str, str, str]]:
        """Return the kind, the id and the reason of every refused fact."""
        rows = await self.sql.fetch("SELECT kind, fact_id, reason FROM refused_fact ORDER BY 1, 2, 3")
        return [(row["kind"], row["fact_id"], row["reason"]) for row in rows]

    async def places(self, person: str) -> list[tuple[str, str | None]]:
        rows = await self.sql.fetch("SELECT * FROM punch WHERE person_id = $1 ORDER BY occurred_at", person)
        return [(row["placement"], row["placed_on"] and str(row["placed_on"])) for row in rows]

    async def next_offset(self, topic: str = MATCHES) -> int | None:
        offset = await self.sql.fetchval("SELECT next_offset FROM consumed_position WHERE topic = $1", topic)
        return None if offset is None else int(offset)


async def worked_half_a_year(plant: Plant) -> list[Any]:
    """Two punches on the 10th and the 25th of January to June."""
    events = [
        plant.match("asha", f"2026-{month:02}-{day}T{hour}:00:00+05:30")
        for month in range(1, 7)
        for day in ("10", "25")
        for hour in ("08", "12")
    ]
    await plant.tell(*events)
    return events
