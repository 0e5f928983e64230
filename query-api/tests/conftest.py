"""Things that tests of every kind use: rows, decisions, and small fakes behind the ports."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from attendance_schemas.events import ImageReference, MatchDecided, Outcome, TimeTrust
from query_api.domain.facts import Correction, Erasure, Punch, RefusedFact, ToldFate
from query_api.domain.presence import PresenceNames
from query_api.domain.rows import (
    Adjustment,
    AttendanceDay,
    Capture,
    Device,
    Enrolment,
    ExplainedDay,
    Organisation,
    PeriodLock,
    Person,
    PresentPerson,
    SitePresence,
    UnscheduledPunch,
)
from query_api.domain.scope import Caller, Scope
from query_api.domain.time_range import DateRange, InstantRange
from query_api.errors import QueryApiError
from query_api.metrics import QueryApiMetrics
from query_api.ports import (
    AdjustmentKey,
    AttendanceFilter,
    CaptureFilter,
    DatesFilter,
    PeriodLockFilter,
    PeriodLockKey,
    RefusedFactKey,
    UnscheduledKey,
)
from service_kit.errors import InvalidToken
from service_kit.http.tokens import Claims

CAPTURE_ID = UUID("019cac8c-6d40-7c3a-9b1e-2f6d1c0a4e55")
OCCURRED_AT = datetime(2026, 3, 2, 2, 30, tzinfo=UTC)


def make_decision(**changes: Any) -> MatchDecided:
    fields: dict[str, Any] = {
        "event_id": UUID(int=7),
        "occurred_at": OCCURRED_AT,
        "recorded_at": OCCURRED_AT,
        "org_id": "acme",
        "capture_id": CAPTURE_ID,
        "device_id": "kiosk-3",
        "site_id": "pune-1",
        "device_sequence": 12,
        "time_trust": TimeTrust.SYNCED,
        "image": ImageReference(
            bucket="images",
            key="k",
            sha256="a" * 64,
            media_type="image/jpeg",
            size_bytes=10,
            width=4,
            height=4,
        ),
        "received_at": OCCURRED_AT,
        "outcome": Outcome.IDENTIFIED,
        "model_name": "SFace",
        "model_version": "1",
        "gallery_size": 3,
        "person_id": "p-1",
        "score": 0.7,
    }
    return MatchDecided(**(fields | changes))


def make_capture(**changes: Any) -> Capture:
    fields: dict[str, Any] = {
        "capture_id": CAPTURE_ID,
        "occurred_at": OCCURRED_AT,
        "site_id": "pune-1",
        "site_name": "Pune plant",
        "device_id": "kiosk-3",
        "device_sequence": 12,
        "direction": None,
        "time_trust": "SYNCED",
        "outcome": "IDENTIFIED",
        "person_id": "p-1",
        "display_name": "Asha Rao",
        "reason": None,
        "image_sha256": None,
        "received_at": OCCURRED_AT,
        "decided_at": OCCURRED_AT,
        "recognition": None,
    }
    return Capture(**(fields | changes))


def make_day(**changes: Any) -> AttendanceDay:
    fields: dict[str, Any] = {
        "attendance_on": date(2026, 3, 2),
        "person_id": "p-1",
        "display_name": "Asha Rao",
        "shift_id": "day",
        "site_id": "pune-1",
        "site_name": "Pune plant",
        "time_zone": "Asia/Kolkata",
        "status": "PRESENT",
        "worked_minutes": 240,
        "first_in_at": OCCURRED_AT,
        "last_out_at": None,
        "late": False,
        "late_minutes": 0,
        "early": False,
        "early_minutes": 0,
        "break_minutes": 0,
        "overtime_minutes": 0,
        "missing": None,
        "open_since": None,
        "punch_count": 1,
        "locked": False,
    }
    return AttendanceDay(**(fields | changes))


def make_adjustment(**changes: Any) -> Adjustment:
    fields: dict[str, Any] = {
        "booked_on": date(2026, 3, 5),
        "person_id": "p-1",
        "display_name": "Asha Rao",
        "attendance_on": date(2026, 2, 10),
        "shift_id": "day",
        "site_id": "pune-1",
        "site_name": "Pune plant",
        "time_zone": "Asia/Kolkata",
        "status_from": "PRESENT",
        "status_to": None,
        "worked_minutes": -240,
        "overtime_minutes": 0,
        "late_minutes": 0,
        "early_minutes": 0,
        "break_minutes": 0,
        "settled": False,
        "settled_by": None,
        "explanation": [],
    }
    return Adjustment(**(fields | changes))


def make_period_lock(**changes: Any) -> PeriodLock:
    fields: dict[str, Any] = {
        "lock_id": UUID(int=1),
        "site_id": None,
        "site_name": None,
        "starts_on": date(2026, 3, 1),
        "ends_on": date(2026, 3, 31),
        "state": "IN_FORCE",
        "person_count": 2,
        "locked_by": "hr-1",
        "locked_at": OCCURRED_AT,
        "reason": "payroll",
        "reopened_by": None,
        "reopened_at": None,
        "reopened_because": None,
    }
    return PeriodLock(**(fields | changes))


def make_organisation(**changes: Any) -> Organisation:
    fields: dict[str, Any] = {
        "org_id": "acme",
        "name": "Acme",
        "time_zone": "Asia/Kolkata",
        "org_type": "company",
        "default_policy": None,
        "default_policy_on": None,
    }
    return Organisation(**(fields | changes))


def make_refused_fact(**changes: Any) -> RefusedFact:
    fields: dict[str, Any] = {
        "kind": "MatchDecided",
        "fact_id": str(CAPTURE_ID),
        "reason": "impossible-instant",
        "detail": "it is about 1970-01-01; set the clock",
        "person_id": "p-1",
        "site_id": "pune-1",
        "device_id": "kiosk-3",
        "made_by": None,
        "recorded_at": OCCURRED_AT,
        "refused_at": OCCURRED_AT,
    }
    return RefusedFact(**(fields | changes))


@dataclass
class FakeReadModel:
    """Answers with what it was given and keeps what it was asked; `failure` is raised instead."""

    days: list[AttendanceDay] = field(default_factory=list)
    adjusted: list[Adjustment] = field(default_factory=list)
    locks: list[PeriodLock] = field(default_factory=list)
    outside: list[UnscheduledPunch] = field(default_factory=list)
    decided: list[Capture] = field(default_factory=list)
    refused: list[RefusedFact] = field(default_factory=list)
    told: ToldFate | None = None
    recorded: Organisation | None = field(default_factory=make_organisation)
    known_device: Device | None = field(default_factory=lambda: Device(device_id="kiosk-3", revoked=False))
    failure: QueryApiError | None = None
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def _ask(self, name: str, **values: Any) -> None:
        self.asked.append((name, values))
        if self.failure is not None:
            raise self.failure

    async def attendance_days(
        self, scope: Scope, which: AttendanceFilter, *, after: tuple[date, str, str] | None, limit: int
    ) -> list[AttendanceDay]:
        self._ask("attendance_days", scope=scope, which=which, after=after, limit=limit)
        rest = [
            day
            for day in self.days
            if after is None or (day.attendance_on, day.person_id, day.shift_id) > after
        ]
        return rest[:limit]

    async def adjustments(
        self, scope: Scope, which: DatesFilter, *, after: AdjustmentKey | None, limit: int
    ) -> list[Adjustment]:
        self._ask("adjustments", scope=scope, which=which, after=after, limit=limit)
        rest = [
            each
            for each in self.adjusted
            if after is None or (each.booked_on, each.person_id, each.attendance_on, each.shift_id) > after
        ]
        return rest[:limit]

    async def period_locks(
        self, scope: Scope, which: PeriodLockFilter, *, after: PeriodLockKey | None, limit: int
    ) -> list[PeriodLock]:
        self._ask("period_locks", scope=scope, which=which, after=after, limit=limit)
        rest = [each for each in self.locks if after is None or (each.starts_on, each.lock_id) > after]
        return rest[:limit]

    async def explained_days(self, scope: Scope, person_id: str, dates: DateRange) -> list[ExplainedDay]:
        self._ask("explained_days", scope=scope, person_id=person_id, dates=dates)
        return []

    async def unscheduled(
        self, scope: Scope, which: DatesFilter, *, after: UnscheduledKey | None, limit: int
    ) -> list[UnscheduledPunch]:
        self._ask("unscheduled", scope=scope, which=which, after=after, limit=limit)
        rest = [each for each in self.outside if after is None or (each.occurred_at, each.punch_id) > after]
        return rest[:limit]

    async def presence_counts(
        self, scope: Scope, *, now: datetime, sites: Sequence[str] | None
    ) -> list[SitePresence]:
        self._ask("presence_counts", scope=scope, now=now, sites=sites)
        return []

    async def present_people(
        self, scope: Scope, *, now: datetime, sites: Sequence[str] | None, after: str | None, limit: int
    ) -> list[PresentPerson]:
        self._ask("present_people", scope=scope, now=now, sites=sites, after=after, limit=limit)
        return []

    async def presence_names(
        self, scope: Scope, *, people: Sequence[str], sites: Sequence[str]
    ) -> PresenceNames:
        self._ask("presence_names", scope=scope, people=people, sites=sites)
        return PresenceNames(
            people={each: each.title() for each in people},
            sites={each: (each.title(), "Asia/Kolkata") for each in sites},
        )

    async def capture(self, scope: Scope, capture_id: UUID, instants: InstantRange) -> Capture | None:
        self._ask("capture", scope=scope, capture_id=capture_id, instants=instants)
        for capture in self.decided:
            if (
                capture.capture_id == capture_id
                and instants.starts_at <= capture.occurred_at < instants.ends_at
            ):
                return capture
        return None

    async def captures(
        self, scope: Scope, which: CaptureFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Capture]:
        self._ask("captures", scope=scope, which=which, after=after, limit=limit)
        return self.decided[:limit]

    async def names(
        self, org_id: str, *, person_id: str | None, site_id: str
    ) -> tuple[str | None, str | None]:
        self._ask("names", org_id=org_id, person_id=person_id, site_id=site_id)
        return ("Asha Rao" if person_id else None), "Pune plant"

    async def organisation(self, scope: Scope) -> Organisation | None:
        self._ask("organisation", scope=scope)
        return self.recorded

    async def device(self, scope: Scope) -> Device | None:
        if self.failure is not None:
            raise self.failure
        return self.known_device

    async def person(self, scope: Scope, person_id: str) -> Person | None:
        self._ask("person", scope=scope, person_id=person_id)
        return None

    async def people(
        self, scope: Scope, *, sites: Sequence[str] | None, text: str | None, after: str | None, limit: int
    ) -> list[Person]:
        self._ask("people", scope=scope, sites=sites, text=text, after=after, limit=limit)
        return []

    async def enrolment(self, scope: Scope, enrolment_id: UUID) -> Enrolment | None:
        self._ask("enrolment", scope=scope, enrolment_id=enrolment_id)
        return None

    async def fate(self, scope: Scope, events: Sequence[str], fact_id: UUID) -> ToldFate | None:
        self._ask("fate", scope=scope, events=events, fact_id=fact_id)
        return self.told

    async def as_of(self, scope: Scope) -> datetime | None:
        self._ask("as_of", scope=scope)
        return OCCURRED_AT

    async def punch(self, scope: Scope, punch_id: UUID, instants: InstantRange) -> Punch | None:
        self._ask("punch", scope=scope, punch_id=punch_id)
        return None

    async def correction(
        self, scope: Scope, correction_id: UUID, instants: InstantRange
    ) -> Correction | None:
        self._ask("correction", scope=scope, correction_id=correction_id)
        return None

    async def erasure(self, scope: Scope, erasure_id: UUID) -> Erasure | None:
        self._ask("erasure", scope=scope, erasure_id=erasure_id)
        return None

    async def refused_facts(
        self, scope: Scope, instants: InstantRange, *, after: RefusedFactKey | None, limit: int
    ) -> list[RefusedFact]:
        self._ask("refused_facts", scope=scope, instants=instants, after=after, limit=limit)
        return [
            each
            for each in self.refused
            if after is None or (each.recorded_at, each.kind, each.fact_id, each.reason) < after
        ][:limit]


@dataclass
class FakeClock:
    """Seconds that pass only when somebody waits."""

    seconds: float = 0.0

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class FakeFeed:
    """Decisions by the second at which they come; waiting moves the clock and takes no time."""

    clock: FakeClock
    coming: list[tuple[float, MatchDecided]] = field(default_factory=list)
    stopping: bool = False
    open_count: int = 0

    @contextmanager
    def subscribe(self, org_id: str, capture_id: UUID) -> Iterator[FakeFeed]:
        self.open_count += 1
        try:
            yield self
        finally:
            self.open_count -= 1

    async def next_decision(self, timeout: float) -> MatchDecided | None:
        until = self.clock.seconds + timeout
        if self.coming and self.coming[0][0] <= until:
            at, event = self.coming.pop(0)
            self.clock.seconds = max(self.clock.seconds, at)
            return event
        self.clock.seconds = until
        return None


@dataclass
class FakeTokens:
    """Knows callers by their token."""

    callers: dict[str, Caller] = field(default_factory=dict)
    failure: Exception | None = None

    async def verify(self, token: str) -> Claims:
        if self.failure is not None:
            raise self.failure
        if token not in self.callers:
            raise InvalidToken("not a token")
        caller = self.callers[token]
        return Claims(caller.subject, caller.roles, caller.org_id or "", caller.sites, {})


@pytest.fixture
def read_model() -> FakeReadModel:
    return FakeReadModel()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def feed(clock: FakeClock) -> FakeFeed:
    return FakeFeed(clock)


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def metrics(registry: CollectorRegistry) -> QueryApiMetrics:
    return QueryApiMetrics(registry)


@pytest.fixture
def decision() -> Callable[..., MatchDecided]:
    return make_decision


@pytest.fixture
def capture_row() -> Callable[..., Capture]:
    return make_capture


@pytest.fixture
def day_row() -> Callable[..., AttendanceDay]:
    return make_day


@pytest.fixture
def adjustment_row() -> Callable[..., Adjustment]:
    return make_adjustment


@pytest.fixture
def period_lock_row() -> Callable[..., PeriodLock]:
    return make_period_lock


@pytest.fixture
def refused_fact_row() -> Callable[..., RefusedFact]:
    return make_refused_fact
