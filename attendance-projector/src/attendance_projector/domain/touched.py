"""Which dates of a person a new fact makes stale.

A punch touches one date. A changed schedule touches the dates whose shifts change and, because windows that
overlap are cut between them, the dates whose windows can reach those. A date off touches itself only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import NOTHING, Punch, RosterEntry, ShiftVersion
from attendance_projector.domain.flexible import unscheduled_date
from attendance_projector.domain.ownership import owner_of
from attendance_projector.domain.schedule import Employment, Policy, Schedule, policy_on
from attendance_projector.domain.shift_windows import ONE_DAY, REACH_AHEAD, REACH_BACK, instances_reaching

T = TypeVar("T")


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
    """Return all dates: a home site's zone has no date of its own, nor has somebody new."""
    return DateSpan()


def dates_of_other_plans(before: Dated[T], after: Dated[T]) -> list[DateSpan]:
    """Return the dates on which another home or default shift holds."""
    return _differing([date.min, *before.starts, *after.starts], before.on, after.on)


def dates_touched_by_plans(before: Dated[T], after: Dated[T], schedule: Schedule) -> list[DateSpan]:
    """Return the dates on which another home or default shift holds, and those whose windows reach them."""
    spans = dates_of_other_plans(before, after)
    return [_widened(span.first_on or date.min, span.last_on, schedule.shifts) for span in spans]


def dates_touched_by_employment(before: Dated[Employment], after: Dated[Employment]) -> list[DateSpan]:
    """Return the dates on which the person works here in one of the two only."""
    starts = [date.min, *before.starts, *after.starts]
    for each in (*before.all, *after.all):
        starts += [] if each.joined_on is None else [each.joined_on]
        starts += [] if each.left_on is None or each.left_on == date.max else [each.left_on + ONE_DAY]
    return _differing(starts, lambda on: before.on(on).covers(on), lambda on: after.on(on).covers(on))


def dates_touched_by_policies(before: Sequence[Policy], after: Sequence[Policy]) -> list[DateSpan]:
    """Return the dates on which another policy is in effect, and the dates beside them.

    A flexible day takes the hours after midnight from the date after it.
    """
    starts = [date.min, *(policy.effective_on for policy in (*before, *after))]
    spans = _differing(starts, lambda on: policy_on(before, on), lambda on: policy_on(after, on))
    return [_wider_by(ONE_DAY, span.first_on or date.min, span.last_on) for span in spans]


def expected_dates(schedule: Schedule, as_of: datetime | None) -> tuple[date, date] | None:
    """Return the first and last date on which a day without a punch can be; None: on no date."""
    expecting = expecting_from(schedule)
    if as_of is None or expecting is None or not schedule.shifts:
        return None
    first_shift_on = min(shift.effective_on for shift in schedule.shifts)
    joined_on = min(each.employment.joined_on or date.min for each in schedule.dated.all)
    first_on = max(expecting, first_shift_on, joined_on)
    horizon = as_of.astimezone(schedule.zone_at(as_of)).date()
    return (first_on, horizon) if first_on <= horizon else None


def expecting_from(schedule: Schedule) -> date | None:
    """Return the first date of a policy that expects anybody; None: there is none."""
    starts = (
        policy.effective_on
        for each in schedule.dated.all
        for policy in each.policies
        if policy.expects_attendance
    )
    return min(starts, default=None)


def _differing(
    starts: Iterable[date], before: Callable[[date], object], after: Callable[[date], object]
) -> list[DateSpan]:
    """Return the spans between the starts on which the two differ; neither changes within one."""
    ordered = sorted(set(starts))
    ends = [following - ONE_DAY for following in ordered[1:]]
    spans = zip(ordered, [*ends, None], strict=True)
    return [DateSpan(first_on, last_on) for first_on, last_on in spans if before(first_on) != after(first_on)]


def _widened(first_on: date, last_on: date | None, shifts: tuple[ShiftVersion, ...]) -> DateSpan:
    windows = [max(shift.window_before, shift.window_after) for shift in shifts]
    return _wider_by(REACH_BACK + REACH_AHEAD + 2 * max(windows, default=NOTHING), first_on, last_on)


def _wider_by(reach: timedelta, first_on: date, last_on: date | None) -> DateSpan:
    first = date.min if first_on - date.min < reach else first_on - reach
    last = None if last_on is None or date.max - last_on < reach else last_on + reach
    return DateSpan(first, last)
