"""The read model in PostgreSQL, schema `attendance`, owned by attendance-projector: SELECT only."""

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from asyncpg import Record

from query_api.adapters.postgres_facts import PostgresFacts
from query_api.domain.presence import PresenceNames
from query_api.domain.rows import (
    Adjustment,
    AttendanceDay,
    Capture,
    CaptureReview,
    Device,
    Enrolment,
    ExplainedDay,
    Organisation,
    PeriodLock,
    Person,
    PresentPerson,
    Recognition,
    SitePresence,
    UnscheduledPunch,
)
from query_api.domain.scope import Scope
from query_api.domain.time_range import PRESENT_AT_MOST, DateRange, InstantRange
from query_api.ports import (
    AdjustmentKey,
    AttendanceFilter,
    CaptureFilter,
    DatesFilter,
    PeriodLockFilter,
    PeriodLockKey,
    UnscheduledKey,
)

# float4 columns carry about 7 significant digits; more would be noise of the conversion.
_SIMILARITY_DIGITS = 6
_WILDCARD = re.compile(r"[\\%_]")
_RECOGNITION_FIELDS = tuple(Recognition.__dataclass_fields__)
_REVIEW_COLUMNS = {
    name: name if name == "review_id" else f"review_{name}" for name in CaptureReview.__dataclass_fields__
}


class PostgresReadModel(PostgresFacts):
    """Implements the port ReadModel; one method, one SQL file of the same name."""

    async def ping(self) -> None:
        """Return when a database answers and holds the read model. Raises ReadModelUnavailable."""
        await self._pools.fetch("ping")

    async def attendance_days(
        self, scope: Scope, which: AttendanceFilter, *, after: tuple[date, str, str] | None, limit: int
    ) -> list[AttendanceDay]:
        """Return days in the order attendance_on, person_id, shift_id."""
        after_on, after_person_id, after_shift_id = after or (None, None, None)
        return await self._all(
            AttendanceDay,
            "attendance_days",
            scope,
            first_on=which.dates.first_on,
            last_on=which.dates.last_on,
            sites=which.sites,
            person_id=which.person_id,
            status=which.status,
            after_on=after_on,
            after_person_id=after_person_id,
            after_shift_id=after_shift_id,
            limit=limit,
        )

    async def adjustments(
        self, scope: Scope, which: DatesFilter, *, after: AdjustmentKey | None, limit: int
    ) -> list[Adjustment]:
        """Return adjustments in the order of their key."""
        after_on, after_person_id, after_attendance_on, after_shift_id = after or (None, None, None, None)
        records = await self._pools.fetch(
            "adjustments",
            org_id=scope.org_id,
            first_on=which.dates.first_on,
            last_on=which.dates.last_on,
            sites=which.sites,
            person_id=which.person_id,
            after_on=after_on,
            after_person_id=after_person_id,
            after_attendance_on=after_attendance_on,
            after_shift_id=after_shift_id,
            limit=limit,
        )
        return [Adjustment(**_with_json(record, "explanation")) for record in records]

    async def period_locks(
        self, scope: Scope, which: PeriodLockFilter, *, after: PeriodLockKey | None, limit: int
    ) -> list[PeriodLock]:
        """Return locks of periods in the order of their key."""
        after_on, after_lock_id = after or (None, None)
        return await self._all(
            PeriodLock,
            "period_locks",
            scope,
            first_on=which.dates.first_on,
            last_on=which.dates.last_on,
            sites=which.sites,
            after_on=after_on,
            after_lock_id=after_lock_id,
            limit=limit,
        )

    async def explained_days(self, scope: Scope, person_id: str, dates: DateRange) -> list[ExplainedDay]:
        """Return the days of one person, explained, in order."""
        records = await self._pools.fetch(
            "explained_days",
            org_id=scope.org_id,
            person_id=person_id,
            first_on=dates.first_on,
            last_on=dates.last_on,
            sites=scope.sites_for(None),
        )
        return [ExplainedDay(**_with_json(record, "explanation")) for record in records]

    async def unscheduled(
        self, scope: Scope, which: DatesFilter, *, after: UnscheduledKey | None, limit: int
    ) -> list[UnscheduledPunch]:
        """Return punches in the window of no shift, in the order of their key."""
        after_at, after_punch_id = after or (None, None)
        instants = which.dates.instants()
        return await self._all(
            UnscheduledPunch,
            "unscheduled",
            scope,
            starts_at=instants.starts_at if after_at is None else max(instants.starts_at, after_at),
            ends_at=instants.ends_at,
            first_on=which.dates.first_on,
            last_on=which.dates.last_on,
            sites=which.sites,
            person_id=which.person_id,
            after_at=after_at,
            after_punch_id=after_punch_id,
            limit=limit,
        )

    async def presence_counts(
        self, scope: Scope, *, now: datetime, sites: Sequence[str] | None
    ) -> list[SitePresence]:
        """Return how many people are in, per site."""
        return await self._all(SitePresence, "presence_counts", scope, sites=sites, **_presence_bounds(now))

    async def present_people(
        self, scope: Scope, *, now: datetime, sites: Sequence[str] | None, after: str | None, limit: int
    ) -> list[PresentPerson]:
        """Return who is in, in the order of person_id."""
        return await self._all(
            PresentPerson,
            "present_people",
            scope,
            sites=sites,
            after=after,
            limit=limit,
            **_presence_bounds(now),
        )

    async def presence_names(
        self, scope: Scope, *, people: Sequence[str], sites: Sequence[str]
    ) -> PresenceNames:
        """Return the names of these people and sites of the organisation."""
        records = await self._pools.fetch("presence_names", org_id=scope.org_id, people=people, sites=sites)
        return PresenceNames(
            people={each["id"]: each["name"] for each in records if each["kind"] == "person"},
            sites={
                each["id"]: (each["name"], each["time_zone"]) for each in records if each["kind"] == "site"
            },
        )

    async def capture(self, scope: Scope, capture_id: UUID, instants: InstantRange) -> Capture | None:
        """Return a decided capture within these instants, or None."""
        records = await self._pools.fetch(
            "capture",
            capture_id=capture_id,
            starts_at=instants.starts_at,
            ends_at=instants.ends_at,
            org_id=scope.org_id,
            sites=scope.sites_for(None),
            device_id=scope.device_id,
        )
        return _capture(records[0]) if records else None

    async def captures(
        self, scope: Scope, which: CaptureFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Capture]:
        """Return decided captures, newest first."""
        after_at, after_capture_id = after or (None, None)
        records = await self._pools.fetch(
            "captures",
            org_id=scope.org_id,
            starts_at=which.instants.starts_at,
            ends_at=which.instants.ends_at,
            sites=which.sites,
            outcome=which.outcome,
            device_id=which.device_id,
            person_id=which.person_id,
            reviewed=which.reviewed,
            after_at=after_at,
            after_capture_id=after_capture_id,
            limit=limit,
        )
        return [_capture(record) for record in records]

    async def names(
        self, org_id: str, *, person_id: str | None, site_id: str
    ) -> tuple[str | None, str | None]:
        """Return the display name of a person and the name of a site of an organisation."""
        (record,) = await self._pools.fetch("names", org_id=org_id, person_id=person_id, site_id=site_id)
        return record["display_name"], record["site_name"]

    async def organisation(self, scope: Scope) -> Organisation | None:
        """Return the organisation, or None while it is not recorded."""
        records = await self._pools.fetch("organisation", org_id=scope.org_id)
        return Organisation(**_with_json(records[0], "default_policy")) if records else None

    async def device(self, scope: Scope) -> Device | None:
        """Return the device that asks, or None while it is not recorded."""
        return await self._one(Device, "device", scope, device_id=scope.device_id)

    async def person(self, scope: Scope, person_id: str) -> Person | None:
        """Return a person of the organisation and sites, or None."""
        return await self._one(Person, "person", scope, person_id=person_id, sites=scope.sites_for(None))

    async def people(
        self, scope: Scope, *, sites: Sequence[str] | None, text: str | None, after: str | None, limit: int
    ) -> list[Person]:
        """Return people in the order of person_id."""
        return await self._all(
            Person,
            "people",
            scope,
            sites=sites,
            text=text,
            pattern=None if text is None else _part_of(text),
            after=after,
            limit=limit,
        )

    async def enrolment(self, scope: Scope, enrolment_id: UUID) -> Enrolment | None:
        """Return a decided enrolment, or None."""
        records = await self._pools.fetch(
            "enrolment", org_id=scope.org_id, enrolment_id=enrolment_id, sites=scope.sites_for(None)
        )
        return Enrolment(**_with_json(records[0], "photos")) if records else None


def _part_of(text: str) -> str:
    """Return the pattern of what contains a text; what people type has no wildcards."""
    escaped = _WILDCARD.sub(r"\\\g<0>", text)
    return f"%{escaped}%"


def _presence_bounds(now: datetime) -> dict[str, object]:
    return {"open_after": now - PRESENT_AT_MOST, "now": now}


def _with_json(record: Record, column: str) -> dict[str, Any]:
    fields = dict(record)
    # asyncpg gives jsonb as text.
    fields[column] = None if fields[column] is None else json.loads(fields[column])
    return fields


def _capture(record: Record) -> Capture:
    fields = dict(record)
    similarities = {name: fields.pop(name) for name in _RECOGNITION_FIELDS}
    reviewed = {name: fields.pop(column) for name, column in _REVIEW_COLUMNS.items()}
    for name, value in similarities.items():
        if isinstance(value, float):
            similarities[name] = round(value, _SIMILARITY_DIGITS)
    return Capture(
        **fields,
        recognition=Recognition(**similarities),
        review=None if reviewed["review_id"] is None else CaptureReview(**reviewed),
    )
