"""Roles that the use cases need, without a word about who plays them."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

from attendance_schemas.events import MatchDecided
from attendance_schemas.presence import OpenDay
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
from query_api.domain.scope import Scope
from query_api.domain.time_range import DateRange, InstantRange


@dataclass(frozen=True, slots=True, kw_only=True)
class DatesFilter:
    """Whose rows, between which local dates; `sites` as `Scope.sites_for` gives them."""

    dates: DateRange
    sites: Sequence[str] | None = None
    person_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttendanceFilter(DatesFilter):
    """Which attendance days."""

    status: str | None = None


# booked_on, person_id, attendance_on, shift_id.
AdjustmentKey = tuple[date, str, date, str]


# occurred_at, punch_id.
UnscheduledKey = tuple[datetime, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodLockFilter:
    """Which locks, by the dates that they cover; `sites` as `Scope.sites_for` gives them."""

    dates: DateRange
    sites: Sequence[str] | None = None


# starts_on, lock_id.
PeriodLockKey = tuple[date, UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureFilter:
    """Which captures; `sites` as `Scope.sites_for` gives them."""

    instants: InstantRange
    sites: Sequence[str] | None = None
    outcome: str | None = None
    device_id: str | None = None
    person_id: str | None = None
    reviewed: bool | None = None


# recorded_at, kind, fact_id, reason.
RefusedFactKey = tuple[datetime, str, str, str]


class FateReader(Protocol):
    """What became of facts that have no rows of their own."""

    async def fate(self, scope: Scope, events: Sequence[str], fact_id: UUID) -> ToldFate | None:
        """Return what became of a fact, by the names of its events; None: nothing is known of it."""
        ...

    async def as_of(self, scope: Scope) -> datetime | None:
        """Return until when time has come for the read model; None before the first tick."""
        ...


class CaptureReader(FateReader, Protocol):
    """The decisions that have reached the read model."""

    async def capture(self, scope: Scope, capture_id: UUID, instants: InstantRange) -> Capture | None:
        """Return a decided capture within these instants, or None."""
        ...

    async def names(
        self, org_id: str, *, person_id: str | None, site_id: str
    ) -> tuple[str | None, str | None]:
        """Return the display name of a person and the name of a site of an organisation."""
        ...


class ReadModel(CaptureReader, Protocol):
    """Everything that can be read. Raises ReadModelUnavailable or QueryTooSlow."""

    async def organisation(self, scope: Scope) -> Organisation | None:
        """Return the organisation, or None while it is not recorded."""
        ...

    async def device(self, scope: Scope) -> Device | None:
        """Return the device that asks, or None while it is not recorded."""
        ...

    async def person(self, scope: Scope, person_id: str) -> Person | None:
        """Return a person of the organisation and sites, or None."""
        ...

    async def attendance_days(
        self, scope: Scope, which: AttendanceFilter, *, after: tuple[date, str, str] | None, limit: int
    ) -> list[AttendanceDay]:
        """Return days in the order attendance_on, person_id, shift_id."""
        ...

    async def adjustments(
        self, scope: Scope, which: DatesFilter, *, after: AdjustmentKey | None, limit: int
    ) -> list[Adjustment]:
        """Return adjustments in the order of their key."""
        ...

    async def period_locks(
        self, scope: Scope, which: PeriodLockFilter, *, after: PeriodLockKey | None, limit: int
    ) -> list[PeriodLock]:
        """Return locks of periods in the order of their key."""
        ...

    async def explained_days(self, scope: Scope, person_id: str, dates: DateRange) -> list[ExplainedDay]:
        """Return the days of one person, explained, in order."""
        ...

    async def unscheduled(
        self, scope: Scope, which: DatesFilter, *, after: UnscheduledKey | None, limit: int
    ) -> list[UnscheduledPunch]:
        """Return punches in the window of no shift, in the order of their key."""
        ...

    async def presence_counts(
        self, scope: Scope, *, now: datetime, sites: Sequence[str] | None
    ) -> list[SitePresence]:
        """Return how many people are in, per site."""
        ...

    async def present_people(
        self, scope: Scope, *, now: datetime, sites: Sequence[str] | None, after: str | None, limit: int
    ) -> list[PresentPerson]:
        """Return who is in, in the order of person_id."""
        ...

    async def presence_names(
        self, scope: Scope, *, people: Sequence[str], sites: Sequence[str]
    ) -> PresenceNames:
        """Return the names of these people and sites of the organisation."""
        ...

    async def captures(
        self, scope: Scope, which: CaptureFilter, *, after: tuple[datetime, UUID] | None, limit: int
    ) -> list[Capture]:
        """Return decided captures, newest first."""
        ...

    async def people(
        self, scope: Scope, *, sites: Sequence[str] | None, text: str | None, after: str | None, limit: int
    ) -> list[Person]:
        """Return people in the order of person_id."""
        ...

    async def enrolment(self, scope: Scope, enrolment_id: UUID) -> Enrolment | None:
        """Return a decided enrolment, or None."""
        ...

    async def punch(self, scope: Scope, punch_id: UUID, instants: InstantRange) -> Punch | None:
        """Return a punch without a face within these instants, or None."""
        ...

    async def correction(
        self, scope: Scope, correction_id: UUID, instants: InstantRange
    ) -> Correction | None:
        """Return a correction, review or lock that counts, reviews of captures within these instants."""
        ...

    async def erasure(self, scope: Scope, erasure_id: UUID) -> Erasure | None:
        """Return an erasure, or None."""
        ...

    async def refused_facts(
        self, scope: Scope, instants: InstantRange, *, after: RefusedFactKey | None, limit: int
    ) -> list[RefusedFact]:
        """Return refused facts that were recorded between these instants, newest first."""
        ...


class PresenceCache(Protocol):
    """Open days at hand; never a part of them."""

    async def open_days(self, org_id: str) -> Sequence[OpenDay] | None:
        """Return all open days of an organisation; None when the cache is away or not whole."""
        ...


class Subscription(Protocol):
    """Waits for the decisions on one capture."""

    async def next_decision(self, timeout: float) -> MatchDecided | None:
        """Return the next decision, or None after `timeout` seconds or when the service stops."""
        ...


class DecisionFeed(Protocol):
    """Decisions as they are made, before they reach the read model."""

    @property
    def stopping(self) -> bool:
        """Tell whether nobody should wait any longer."""
        ...

    def subscribe(self, org_id: str, capture_id: UUID) -> AbstractContextManager[Subscription]:
        """Return a subscription to the decisions on a capture; one made moments ago comes first."""
        ...
