"""Which dates of a person a new fact makes stale.

A punch touches one date. A changed schedule touches the dates whose shifts change and, because windows that
overlap are cut between them, the dates whose windows can reach those.
"""

from dataclasses import dataclass
from datetime import date, timedelta

from attendance_projector.domain.facts import NOTHING, Punch, RosterEntry, ShiftVersion
from attendance_projector.domain.flexible import unscheduled_date
from attendance_projector.domain.ownership import owner_of
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import REACH_AHEAD, REACH_BACK, instances_reaching


@dataclass(frozen=True, slots=True)
class DateSpan:
    """Local dates from first to last, inclusive; None leaves a side open."""

    first_on: date | None = None
    last_on: date | None = None


def date_touched_by_punch(punch: Punch, schedule: Schedule) -> date:
    """Return the one local date to recompute: the owner's, or the punch's own when it is unscheduled."""
    instances = instances_reaching(schedule, punch.occurred_at, punch.occurred_at)
    owner = owner_of(punch, instances).instance
    return owner.attendance_on if owner else unscheduled_date(schedule, punch.occurred_at)


def dates_touched_by_roster(entry: RosterEntry, schedule: Schedule) -> DateSpan:
    """Return the dates to recompute when the entry is added or removed; for a change, those of both forms."""
    return _widened(entry.starts_on, entry.ends_on, schedule.shifts)


def dates_touched_by_shift(version: ShiftVersion, schedule: Schedule) -> DateSpan:
    """Return the dates to recompute when this version of a shift is recorded: until its next version."""
    later = [
        other.effective_on
        for other in schedule.shifts
        if other.shift_id == version.shift_id and other.effective_on > version.effective_on
    ]
    last_on = min(later) - timedelta(days=1) if later else None
    return _widened(version.effective_on, last_on, (*schedule.shifts, version))


def dates_touched_by_person() -> DateSpan:
    """Return all dates: a default shift and a home site's zone have no date of their own."""
    return DateSpan()


def _widened(first_on: date, last_on: date | None, shifts: tuple[ShiftVersion, ...]) -> DateSpan:
    windows = [max(shift.window_before, shift.window_after) for shift in shifts]
    reach = REACH_BACK + REACH_AHEAD + 2 * max(windows, default=NOTHING)
    first = date.min if first_on - date.min < reach else first_on - reach
    last = None if last_on is None or date.max - last_on < reach else last_on + reach
    return DateSpan(first, last)
