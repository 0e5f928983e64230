"""The fields of a scenario file, as they are written.

Every object refuses fields that it does not know; durations are in the unit of the rules: windows, graces,
breaks and overtime in minutes, thresholds and `break_after` in hours, debounce in seconds.
"""

from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from attendance_projector.domain.facts import MONDAY_TO_SUNDAY, Counting, Direction, PairingMode, RoundingMode
from attendance_projector.domain.schedule import LeavePart
from attendance_projector.domain.status import Status

Name = Annotated[str, Meta(min_length=1)]
# No shift lasts longer, also when clocks change twice.
DayMinutes = Annotated[int, Meta(ge=0, le=1560)]


class _Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A JSON object whose unknown fields are errors. Written, it leaves out what is as usual."""


class RoundingText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Steps of reported minutes."""

    minutes: int
    mode: RoundingMode


class ShiftText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A shift; the same id with another `effective_on` is its next version."""

    id: Name
    start: str
    end: str
    effective_on: date = date.min
    time_zone: str | None = None
    window_before: float = 60
    window_after: float = 60
    late_grace: float | None = None
    early_grace: float | None = None
    pairing: PairingMode = PairingMode.ALTERNATING
    counting: Counting = Counting.FIRST_LAST
    half_day_below: float | None = None
    absent_below: float | None = None
    debounce: float = 60
    break_minutes: float = 0
    break_after: float = 6
    rounding: RoundingText | None = None
    overtime_after: float | None = None
    overtime_cap: float | None = None
    needs_approval: bool = False
    count_on_holiday: bool = False


class RotationText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Days of a cycle; day 1 is the date `from` of the roster entry."""

    length: int
    days: tuple[int, ...]


class RosterText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A roster entry; `to` null leaves it open."""

    shift: str
    starts_on: date = msgspec.field(name="from")
    until: date | None = msgspec.field(name="to", default=None)
    weekdays: tuple[str, ...] = MONDAY_TO_SUNDAY
    rotation: RotationText | None = None


class LeaveText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Leave on a date; a lock made before `recorded_at` did not know it."""

    on: date
    part: LeavePart = LeavePart.FULL
    recorded_at: str | None = None


class PolicyText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What holds for everybody from a date on, in place of the fields at the top."""

    effective_on: date
    weekly_offs: tuple[str, ...] = ()
    flexible: bool = False
    day_start: str = "05:00"
    expects_attendance: bool = True
    name: str | None = None


class PersonText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When the person works here; both dates are inclusive. `id` is for readers of the file."""

    id: str | None = None
    joined_on: date | None = None
    left_on: date | None = None
    active: bool = True


class PunchText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A punch; `at` without an offset is local time of the site. A late one has `recorded_at`."""

    id: Name
    at: str
    direction: Direction | None = None
    method: Literal["face", "badge", "pin", "qr", "supervisor", "correction"] = "face"
    recorded_at: str | None = None


class _Made(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who corrected, why, and when; `id` lets a void name the correction."""

    by: Name
    reason: Name
    recorded_at: str | None = None
    id: str | None = None


class VoidText(_Made, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="void"):
    """Remove a punch, or a correction."""

    punch: str | None = None
    correction: str | None = None


class AddText(_Made, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="add"):
    """Add a punch; `punch` is its id."""

    punch: Name
    at: str
    direction: Direction | None = None


class OverrideText(
    _Made, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="kind", tag="override"
):
    """Replace the day of a date; `shift` null: of every shift on it."""

    on: date
    status: Status
    shift: str | None = None
    worked_minutes: DayMinutes = 0
    overtime_minutes: DayMinutes = 0
    first_in: str | None = None
    last_out: str | None = None


class LockText(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A period that payroll closed at an instant, with the days as they were known then; and reopened."""

    starts_on: date = msgspec.field(name="from")
    ends_on: date = msgspec.field(name="until")
    at: str
    by: Name = "payroll"
    reason: Name = "payroll closed"
    reopened_at: str | None = None


class Scenario(_Strict, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scenario as the file has it. Without a `range`, only days with a punch or an override are shown.

    `expected_until`: the last date of the range on which a day without a punch is shown; null: all of them.
    A lock made earlier finds those until its own date.
    """

    site_zone: str
    shifts: tuple[ShiftText, ...] = ()
    roster: tuple[RosterText, ...] = ()
    default_shift: str | None = None
    flexible: bool = False
    day_start: str = "05:00"
    holidays: tuple[date, ...] = ()
    weekly_offs: tuple[str, ...] = ()
    policies: tuple[PolicyText, ...] = ()
    leave: tuple[LeaveText, ...] = ()
    person: PersonText = PersonText()
    punches: tuple[PunchText, ...] = ()
    corrections: tuple[VoidText | AddText | OverrideText, ...] = ()
    locks: tuple[LockText, ...] = ()
    as_of: str | None = None
    devices_reported_until: str | None = None
    range: tuple[date, date] | None = None
    expected_until: date | None = None
