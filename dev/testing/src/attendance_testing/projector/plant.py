"""A site with facts to tell about it, and a projector that hears them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from prometheus_client import CollectorRegistry

from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel
from attendance_projector.projection.apply_records import ApplyRecords
from attendance_projector.projection.metrics import ProjectorMetrics
from attendance_projector.projection.stored import Tombstone
from attendance_schemas.events import (
    EVENT_BY_NAME,
    Authority,
    ClockTicked,
    DayOverridden,
    DayStatus,
    DefaultPolicy,
    DeviceKind,
    DeviceRecorded,
    EnrolmentDecided,
    EnrolmentOutcome,
    Event,
    HolidayRecorded,
    ImageReference,
    LeaveRecorded,
    MatchDecided,
    OrganisationRecorded,
    Outcome,
    PeriodLocked,
    PeriodReopened,
    PersonRecorded,
    PolicyRecorded,
    PunchAdded,
    PunchMethod,
    PunchSubmitted,
    PunchVoided,
    ReviewDecided,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
    TimeTrust,
)
from attendance_schemas.identity import deterministic_id
from attendance_schemas.org_types import load_org_types
from attendance_schemas.topics import DIRECTORY as DIRECTORY_TOPIC
from attendance_schemas.topics import TOPICS
from local_stack.for_tests.databases import Database
from service_kit.kafka.records import Record, TopicPartition

MATCHES, DIRECTORY = "attendance.matches", "attendance.directory"
RECORDED_AT = datetime(2026, 1, 1, tzinfo=UTC)
IMAGE = ImageReference(
    bucket="b", key="k", sha256="00", media_type="image/jpeg", size_bytes=1, width=1, height=1
)
# A tombstone is the directory's.
TOPIC_OF = {name: topic.name for topic in TOPICS.values() for name in topic.events}
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
    "review": "org_id, review_id",
    "period_lock": "org_id, lock_id",
    "locked_person": "org_id, lock_id, sealing_id, person_id",
    "locked_day": "org_id, lock_id, sealing_id, person_id, attendance_on, shift_id",
    "locked_adjustment": "org_id, lock_id, sealing_id, person_id, attendance_on, shift_id",
    "adjustment": "org_id, person_id, attendance_on, shift_id, booked_on",
    "consumed_position": "topic, partition",
}


def by(subject: str, *sites: str, role: str = "hr") -> Authority:
    """Return an authority for some sites; without any, for all."""
    return Authority(subject=subject, role=role, sites=sites or None)


class EventsInMemory:
    """An `EventReader` over events that stay in memory; a record's value names its event."""

    def __init__(self) -> None:
        self._events: dict[bytes, Event | Tombstone] = {}

    def keep(self, event: Event | Tombstone) -> bytes:
        name = str(len(self._events)).encode()
        self._events[name] = event
        return name

    async def read(self, record: Record) -> Event | Tombstone:
        assert record.value is not None
        return self._events[record.value]


def _common(at: datetime = RECORDED_AT, **fields: Any) -> dict[str, Any]:
    return {"event_id": uuid4(), "occurred_at": at, "recorded_at": at, "org_id": "org"} | fields


class Plant:
    """A site with facts to tell about it, and a projector that hears them."""

    def __init__(
        self, read_model: PostgresReadModel, database: Database, connection: asyncpg.Connection
    ) -> None:
        self.read_model = read_model
        self.database = database
        self.url = database.url
        self.writer_url = database.writer_url
        self.feed_url = database.feed_url
        self.sql = connection
        self.events = EventsInMemory()
        self.projector = self.projector_on(read_model)
        self._corrections = 0
        self._offsets: dict[TopicPartition, count[int]] = {}

    def projector_on(self, read_model: Any) -> ApplyRecords:
        return ApplyRecords(self.events, read_model, ProjectorMetrics(CollectorRegistry()))

    def record(self, event: Event | Tombstone, topic: str | None = None, partition: int = 0) -> Record:
        topic = topic or TOPIC_OF.get(type(event).__name__, DIRECTORY)
        offsets = self._offsets.setdefault(TopicPartition(topic, partition), count())
        return Record(topic, partition, next(offsets), b"k", self.events.keep(event), (), RECORDED_AT)

    async def as_administrator(self, statement: str, *values: object) -> Any:
        """Run what only an administrator may, such as to end a connection of another login."""
        connection = await asyncpg.connect(self.database.admin_url)
        try:
            return await connection.fetchval(statement, *values)
        finally:
            await connection.close()

    async def tell(self, *events: Event | Tombstone) -> list[Record]:
        records = [self.record(event) for event in events]
        await self.projector.apply(records)
        return records

    def match(
        self,
        person: str | None,
        at: str,
        capture_id: UUID | None = None,
        outcome: Outcome = Outcome.IDENTIFIED,
        **fields: Any,
    ) -> MatchDecided:
        instant = datetime.fromisoformat(at).astimezone(UTC)
        return MatchDecided(
            **_common(instant),
            capture_id=capture_id or uuid4(),
            device_id="kiosk",
            site_id="site",
            device_sequence=1,
            time_trust=TimeTrust.SYNCED,
            image=IMAGE,
            received_at=instant,
            outcome=outcome,
            model_name="m",
            model_version="1",
            gallery_size=1,
            person_id=person,
            **fields,
        )

    def site(self, zone: str = "Asia/Kolkata", site_id: str = "site") -> SiteRecorded:
        return SiteRecorded(**_common(), site_id=site_id, name="Plant", time_zone=zone)

    def organisation(self, org_type: str = "company", **fields: Any) -> OrganisationRecorded:
        """Return an organisation with the policy that ingest takes from the file of its type."""
        policy = load_org_types()[org_type].policy
        default = None if policy is None else DefaultPolicy(**msgspec.structs.asdict(policy))
        return OrganisationRecorded(
            **_common(),
            name="Acme",
            time_zone="Asia/Kolkata",
            org_type=org_type,
            default_policy=default,
            **fields,
        )

    def person(
        self, name: str, shift: str | None = "day", site: str = "site", **fields: Any
    ) -> PersonRecorded:
        return PersonRecorded(
            **_common(),
            person_id=name,
            home_site_id=site,
            display_name=fields.pop("display_name", name),
            default_shift_id=shift,
            **fields,
        )

    def shift(
        self, name: str, start: int, end: int, effective_on: date = date(2026, 1, 1), **fields: Any
    ) -> Any:
        return ShiftRecorded(
            **_common(),
            shift_id=name,
            effective_on=effective_on,
            name=name,
            start=time(start),
            end=time(end),
            **fields,
        )

    def roster(
        self, person: str, shift: str, starts_on: date, ends_on: date | None = None, **fields: Any
    ) -> Any:
        return RosterRecorded(
            **_common(),
            roster_id=fields.pop("roster_id", "roster-" + person),
            person_id=person,
            shift_id=shift,
            starts_on=starts_on,
            ends_on=ends_on,
            **fields,
        )

    def punch(self, credential: str, at: str, punch_id: UUID | None = None, **fields: Any) -> PunchSubmitted:
        """Return a punch by badge; `person` is whom ingest had for it."""
        instant = datetime.fromisoformat(at).astimezone(UTC)
        return PunchSubmitted(
            **_common(instant),
            punch_id=punch_id or uuid4(),
            method=fields.pop("method", PunchMethod.BADGE),
            credential=credential,
            person_id=fields.pop("person", None),
            site_id=fields.pop("site_id", "site"),
            device_id=fields.pop("device_id", "reader"),
            time_trust=TimeTrust.SYNCED,
            captured_at=instant,
            **{"authority": by("reader", "site", role="device")} | fields,
        )

    def _corrected(self, person: str, **fields: Any) -> dict[str, Any]:
        """Return what corrections share; each is recorded a second after the one before."""
        self._corrections += 1
        at = RECORDED_AT + timedelta(seconds=self._corrections)
        made = {"authority": by("hr-1"), "reason": "asked", "correction_id": uuid4(), "person_id": person}
        return _common(at) | made | fields

    def addition(self, person: str, at: str, **fields: Any) -> PunchAdded:
        occurred_at = datetime.fromisoformat(at).astimezone(UTC)
        common = self._corrected(person, **fields) | {"occurred_at": occurred_at}
        return PunchAdded(**common, punch_id=deterministic_id("PunchAdded", common["correction_id"]))

    def void(self, person: str, what: Event | UUID, **fields: Any) -> Any:
        """Void a punch by its event, or a correction by its id."""
        if isinstance(what, UUID):
            return PunchVoided(**self._corrected(person, voided_correction_id=what, **fields))
        assert isinstance(what, MatchDecided | PunchSubmitted | PunchAdded)
        punch_id = what.capture_id if isinstance(what, MatchDecided) else what.punch_id
        return PunchVoided(**self._corrected(person, punch_id=punch_id, **fields))

    def override(self, person: str, on: date, status: DayStatus, **fields: Any) -> DayOverridden:
        return DayOverridden(**self._corrected(person, attendance_on=on, status=status, **fields))

    def review(self, capture_id: UUID, person: str | None, **fields: Any) -> ReviewDecided:
        common = self._corrected("nobody")
        del common["correction_id"], common["person_id"]
        return ReviewDecided(
            **common | {"review_id": uuid4(), "capture_id": capture_id, "person_id": person} | fields
        )

    def lock(self, starts_on: date, ends_on: date, site: str | None = None, **fields: Any) -> PeriodLocked:
        common = self._corrected("nobody")
        del common["correction_id"], common["person_id"]
        period = {"lock_id": uuid4(), "starts_on": starts_on, "ends_on": ends_on, "site_id": site}
        return PeriodLocked(**common | period | fields)

    def reopening(self, lock: PeriodLocked, **fields: Any) -> PeriodReopened:
        common = self._corrected("nobody")
        del common["correction_id"], common["person_id"]
        return PeriodReopened(**common | fields, reopening_id=uuid4(), lock_id=lock.lock_id)

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

    def tick(self, at: str) -> ClockTicked:
        return ClockTicked(**_common(datetime.fromisoformat(at).astimezone(UTC)) | {"org_id": ""})

    def device(self, device_id: str, site: str = "site", **fields: Any) -> DeviceRecorded:
        return DeviceRecorded(
            **_common(), device_id=device_id, site_id=site, name=device_id, kind=DeviceKind.KIOSK, **fields
        )

    def report(self, device_id: str, sequence: int, at: str) -> MatchDecided:
        """Return a capture of nobody, by which a device reports."""
        match = self.match(None, at, outcome=Outcome.NO_FACE)
        return msgspec.structs.replace(match, device_id=device_id, device_sequence=sequence)

    def holiday(self, on: date, site: str | None = None, holiday_id: str = "holiday") -> HolidayRecorded:
        return HolidayRecorded(
            **_common(), holiday_id=holiday_id, name="Holiday", holiday_on=on, site_id=site
        )

    def leave(self, person: str, starts_on: date, ends_on: date | None = None, **fields: Any) -> Any:
        return LeaveRecorded(
            **_common(),
            leave_id=fields.pop("leave_id", "leave-" + person),
            person_id=person,
            starts_on=starts_on,
            ends_on=ends_on or starts_on,
            **fields,
        )

    def policy(self, effective_on: date = date(2026, 1, 1), **fields: Any) -> PolicyRecorded:
        return PolicyRecorded(
            **_common(),
            policy_id=fields.pop("policy_id", "policy"),
            effective_on=effective_on,
            name="Policy",
            expects_attendance=fields.pop("expects_attendance", False),
            **fields,
        )

    def tombstone(self, event: Event) -> Tombstone:
        """Take a directory event back."""
        key = DIRECTORY_TOPIC.key_of(event)
        named = DIRECTORY_TOPIC.fields_of(key)
        assert named is not None
        return Tombstone(*named, key=key)

    def enrolment(self, person: str) -> EnrolmentDecided:
        return EnrolmentDecided(
            **_common(),
            enrolment_id=uuid4(),
            person_id=person,
            outcome=EnrolmentOutcome.ENROLLED,
            template_count=1,
            photos=(),
            model_name="m",
            model_version="1",
        )

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
