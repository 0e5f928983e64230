"""Punches without a face, what people correct, and the passing of time."""

from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from msgspec import Struct

from attendance_schemas.events.base import Act, Direction, Event, Instant, TimeTrust

# A day later than this after a fact was recorded is no plan. Days and punches lie in tables by month, and all
# who read and write pay for each month that there is.
FARTHEST_AHEAD = timedelta(days=400)


class PunchMethod(StrEnum):
    """How the person was told from others, without a face."""

    BADGE = "BADGE"
    PIN = "PIN"
    QR = "QR"
    SUPERVISOR = "SUPERVISOR"


class DayStatus(StrEnum):
    """What a day counts as once it is decided."""

    PRESENT = "PRESENT"
    INCOMPLETE = "INCOMPLETE"
    HALF_DAY = "HALF_DAY"
    ABSENT = "ABSENT"
    LEAVE = "LEAVE"
    HOLIDAY = "HOLIDAY"
    WEEKLY_OFF = "WEEKLY_OFF"


class AttendanceStatus(StrEnum):
    """What a day counts as now; PENDING is not decided yet."""

    PRESENT = "PRESENT"
    INCOMPLETE = "INCOMPLETE"
    HALF_DAY = "HALF_DAY"
    ABSENT = "ABSENT"
    PENDING = "PENDING"
    LEAVE = "LEAVE"
    HOLIDAY = "HOLIDAY"
    WEEKLY_OFF = "WEEKLY_OFF"


class DayChange(StrEnum):
    """What happened to a day."""

    CREATED = "CREATED"
    UPDATED = "UPDATED"
    REMOVED = "REMOVED"


class PunchSubmitted(Act, frozen=True, kw_only=True):
    """A person was at a device at an instant, by badge, PIN or QR code, or a supervisor says so."""

    punch_id: UUID
    method: PunchMethod
    credential: str
    site_id: str
    time_trust: TimeTrust
    captured_at: Instant
    person_id: str | None = None
    device_id: str | None = None
    device_sequence: int | None = None
    direction: Direction | None = None
    clock_offset_ms: int | None = None
    home_site_id: str | None = None
    reason: str | None = None


class PunchAdded(Act, frozen=True, kw_only=True):
    """A correction: a punch that no device saw; `occurred_at` is when it happened."""

    correction_id: UUID
    person_id: str
    punch_id: UUID
    reason: str
    site_id: str | None = None
    home_site_id: str | None = None
    direction: Direction | None = None


class PunchVoided(Act, frozen=True, kw_only=True):
    """A correction: a punch, or else an earlier correction, counts no longer."""

    correction_id: UUID
    person_id: str
    reason: str
    punch_id: UUID | None = None
    voided_correction_id: UUID | None = None
    home_site_id: str | None = None


class DayOverridden(Act, frozen=True, kw_only=True):
    """A correction: the day as a person decided it; no `shift_id`: every shift of the date."""

    correction_id: UUID
    person_id: str
    attendance_on: date
    status: DayStatus
    reason: str
    shift_id: str | None = None
    worked_minutes: int = 0
    overtime_minutes: int = 0
    first_in_at: Instant | None = None
    last_out_at: Instant | None = None
    home_site_id: str | None = None


class ReviewDecided(Act, frozen=True, kw_only=True):
    """A person decided whom a capture shows, in place of recognition; None: nobody who counts."""

    review_id: UUID
    capture_id: UUID
    reason: str
    person_id: str | None = None
    home_site_id: str | None = None


class ClockTicked(Event, frozen=True, kw_only=True):
    """Time has passed: `occurred_at` has come. `org_id` is empty: it holds for all.

    With `reset_by` the clock is set back to it: a later instant that came before was wrong.
    """

    reset_by: str | None = None
    reason: str | None = None


class DayState(Struct, frozen=True, kw_only=True):
    """An attendance day as it stands after a change."""

    site_id: str
    status: AttendanceStatus
    worked_minutes: int
    break_minutes: int
    overtime_minutes: int
    late: bool
    late_minutes: int
    early: bool
    early_minutes: int
    punch_count: int
    first_in_at: Instant | None = None
    last_out_at: Instant | None = None
    missing: Direction | None = None
    open_since: Instant | None = None


class AttendanceDayChanged(Event, frozen=True, kw_only=True):
    """An attendance day is another than before; of one day the greatest `revision` is how it stands."""

    person_id: str
    attendance_on: date
    shift_id: str
    change: DayChange
    revision: int
    day: DayState | None = None
    previous: DayState | None = None
