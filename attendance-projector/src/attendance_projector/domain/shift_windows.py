"""When an instance of a shift takes punches: its window, and the cut between windows that overlap.

An instance is a shift on the local date on which it starts. Its window runs from `start - window_before` to
`end + window_after`, both inclusive. Durations are differences of instants: a night of 23 hours has 23.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TypeVar
from zoneinfo import ZoneInfo

from attendance_projector.domain.facts import ShiftVersion
from attendance_projector.domain.local_time import end_instant, start_instant
from attendance_projector.domain.schedule import Schedule, shifts_on

T = TypeVar("T")
ONE_DAY = timedelta(days=1)
# A local date begins at most 14 h before and 12 h after the UTC date of the same name, a shift lasts a day at
# most (25 h when clocks change), and a time that does not exist moves forward (a whole day in Apia in 2011).
REACH_BACK = timedelta(days=3)
REACH_AHEAD = timedelta(days=2)
# One punch asks for a week, and many people share a schedule: a projector asks for the same weeks all day, a
# rebuild for the same months.
LONGEST_REMEMBERED = timedelta(days=100)
SPANS_REMEMBERED = 64
# Thousands of people work the same few shifts, also those with a roster of their own: 20 shifts for 3 years.
INSTANCES_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class ShiftInstance:
    """A shift on one local date, as instants in UTC, and what explanations call it.

    The window runs from `opens_at` to `closes_at`, both inclusive.
    """

    shift: ShiftVersion
    attendance_on: date
    starts_at: datetime
    ends_at: datetime
    opens_at: datetime = field(init=False, compare=False)
    closes_at: datetime = field(init=False, compare=False)
    name: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "opens_at", self.starts_at - self.shift.window_before)
        object.__setattr__(self, "closes_at", self.ends_at + self.shift.window_after)
        object.__setattr__(self, "name", f"{self.shift.shift_id} of {self.attendance_on}")

    def __hash__(self) -> int:
        # Of what tells instances apart: a version of a shift has many fields.
        return hash((self.shift.shift_id, self.starts_at))

    def takes(self, at: datetime) -> bool:
        """Say whether the window contains the instant; both ends are inclusive."""
        return self.opens_at <= at <= self.closes_at

    @property
    def order(self) -> tuple[datetime, datetime, date, str]:
        """Sort key: the earlier shift first; equal times by date and id, so that no two are equal."""
        return self.starts_at, self.ends_at, self.attendance_on, self.shift.shift_id


@lru_cache(maxsize=INSTANCES_REMEMBERED)
def shift_instance(shift: ShiftVersion, on: date, zone: ZoneInfo) -> ShiftInstance:
    """Return the instance of the shift that starts on this local date; `end <= start` ends a date later."""
    starts_at = start_instant(on, shift.start, zone)
    ends_on = on + ONE_DAY if shift.end <= shift.start else on
    # A start moved forward out of a gap can pass the end; such a shift has no length, not a negative one.
    ends_at = max(starts_at, end_instant(ends_on, shift.end, zone))
    return ShiftInstance(shift, on, starts_at, ends_at)


def instances_between(schedule: Schedule, first_on: date, last_on: date) -> list[ShiftInstance]:
    """Return the instances of the local dates from first to last, inclusive, earlier shift first."""
    return remembered(_instances_between, schedule, first_on, last_on)


def instants_of(schedule: Schedule, first_on: date, last_on: date) -> tuple[datetime, datetime]:
    """Return the first and last instant of any punch that the days of these local dates can depend on.

    Covers the windows of their shifts and the dates themselves in the site's zone.
    """
    return remembered(_instants_of, schedule, first_on, last_on)


def remembered(
    work_out: Callable[[Schedule, date, date], T], schedule: Schedule, first_on: date, last_on: date
) -> T:
    """Work something out about a short span of dates once for each schedule."""
    key = (work_out, first_on, last_on)
    known: T | None = schedule.memo.get(key)
    if known is None:
        known = work_out(schedule, first_on, last_on)
        if last_on - first_on < LONGEST_REMEMBERED:
            if len(schedule.memo) >= SPANS_REMEMBERED:
                schedule.memo.clear()
            schedule.memo[key] = known
    return known


def _instances_between(schedule: Schedule, first_on: date, last_on: date) -> list[ShiftInstance]:
    days = (last_on - first_on).days + 1
    dates = [first_on + timedelta(days=number) for number in range(days)]
    instances = [
        shift_instance(shift, on, schedule.zone_of(shift, on))
        for on in dates
        for shift in shifts_on(schedule, on)
    ]
    instances.sort(key=lambda instance: instance.order)
    return instances


def instances_reaching(schedule: Schedule, first_at: datetime, last_at: datetime) -> list[ShiftInstance]:
    """Return every instance whose window contains an instant of the span, earlier shift first."""
    first_on = (first_at.astimezone(UTC) - schedule.longest_after - REACH_BACK).date()
    last_on = (last_at.astimezone(UTC) + schedule.longest_before + REACH_AHEAD).date()
    instances = instances_between(schedule, first_on, last_on)
    return [each for each in instances if each.opens_at <= last_at and each.closes_at >= first_at]


def midpoint_cut(earlier: ShiftInstance, later: ShiftInstance) -> datetime:
    """Cut two windows that overlap: midway between the earlier's end and the later's start.

    When the shifts themselves overlap: in the middle of their overlap. The cut itself is the earlier's.
    """
    # Without an overlap the earlier one ends first, so one expression serves both cases.
    bound = min(earlier.ends_at, later.ends_at)
    return bound + (later.starts_at - bound) / 2


def _instants_of(schedule: Schedule, first_on: date, last_on: date) -> tuple[datetime, datetime]:
    instances = instances_between(schedule, first_on, last_on)
    opens = [instance.opens_at for instance in instances]
    closes = [instance.closes_at for instance in instances]
    midnight = start_instant(first_on, time(), schedule.zone_on(first_on))
    # A flexible day goes on after midnight.
    morning_after = last_on + ONE_DAY
    day_starts = [schedule.policy_on(on).flexible_day_start or time() for on in (last_on, morning_after)]
    ends_at = end_instant(morning_after, max(day_starts), schedule.zone_on(last_on))
    if schedule.earlier:
        # The date may end later where the person works from the next date on.
        ends_at = max(ends_at, end_instant(morning_after, max(day_starts), schedule.zone_on(morning_after)))
    return min([midnight, *opens]), max([ends_at, *closes])
