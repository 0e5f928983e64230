"""Periods that payroll has closed, and the days as they stood then."""

from datetime import date
from uuid import UUID

from msgspec import Struct

from attendance_schemas.events.base import Act, Event, Instant


class PeriodLocked(Act, frozen=True, kw_only=True):
    """Payroll is closed: the days of the period, both dates inclusive, stay; no `site_id`: of everybody."""

    lock_id: UUID
    starts_on: date
    ends_on: date
    reason: str
    site_id: str | None = None


class PeriodReopened(Act, frozen=True, kw_only=True):
    """A lock counts no longer, and never again."""

    reopening_id: UUID
    lock_id: UUID
    reason: str


class PeriodSealed(Event, frozen=True, kw_only=True):
    """The days of a lock are recorded, of so many people; the first seal of a lock counts."""

    lock_id: UUID
    sealing_id: UUID
    person_count: int


class LockedDay(Struct, frozen=True, kw_only=True):
    """A day as it stood; an empty `shift_id`: no shift. `explanation` is JSON."""

    attendance_on: date
    shift_id: str
    site_id: str
    status: str
    worked_minutes: int
    overtime_minutes: int
    late_minutes: int
    early_minutes: int
    break_minutes: int
    late: bool
    early: bool
    punch_count: int
    explanation: str
    shift_effective_on: date
    first_in_at: Instant | None = None
    last_out_at: Instant | None = None
    missing: str | None = None
    open_since: Instant | None = None


class LockedAdjustment(Struct, frozen=True, kw_only=True):
    """An adjustment that is paid with the period; minutes are differences, no status is no day."""

    attendance_on: date
    shift_id: str
    site_id: str
    booked_on: date
    worked_minutes: int
    overtime_minutes: int
    late_minutes: int
    early_minutes: int
    break_minutes: int
    explanation: str
    status_from: str | None = None
    status_to: str | None = None


class DaysLocked(Event, frozen=True, kw_only=True):
    """The days of one person as they stood when a period was locked; one that is not here did not exist."""

    lock_id: UUID
    sealing_id: UUID
    person_id: str
    days: tuple[LockedDay, ...] = ()
    adjustments: tuple[LockedAdjustment, ...] = ()
