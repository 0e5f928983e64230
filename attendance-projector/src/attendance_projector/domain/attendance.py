"""The rules as one function: a person's punches and schedule to attendance days and unscheduled punches.

Every punch given is in exactly one place: a day, or the unscheduled list. The same facts in any order, with
any repetition, give the same answer.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date

from attendance_projector.domain.day import AttendanceDay, build_day
from attendance_projector.domain.facts import NOTHING, Punch, distinct_punches
from attendance_projector.domain.ownership import Ownership, owner_of
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import ShiftInstance, instances_reaching


@dataclass(frozen=True, slots=True)
class Attendance:
    """Days that have a punch, ordered by shift start, and punches that no shift owns, ordered by instant."""

    days: tuple[AttendanceDay, ...]
    unscheduled: tuple[Ownership, ...]


def attendance(
    punches: Iterable[Punch], schedule: Schedule, first_on: date | None = None, last_on: date | None = None
) -> Attendance:
    """Return the days whose local date is from first to last, inclusive; None leaves a side open.

    An unscheduled punch is listed under its own local date in the site's zone. For a day to be complete, give
    all punches of `shift_windows.instants_of` its date. Raises RuleError when one punch id names two facts.
    """
    ordered = distinct_punches(punches)
    if not ordered:
        return Attendance((), ())
    instances = instances_reaching(schedule, ordered[0].occurred_at, ordered[-1].occurred_at)
    owned: dict[ShiftInstance, list[Ownership]] = defaultdict(list)
    unscheduled: list[Ownership] = []
    for punch, near in zip(ordered, _instances_near(ordered, instances), strict=True):
        ownership = owner_of(punch, near)
        if ownership.instance is not None:
            owned[ownership.instance].append(ownership)
        elif _is_within(punch.occurred_at.astimezone(schedule.zone).date(), first_on, last_on):
            unscheduled.append(ownership)
    days = [
        build_day(instance, owned[instance])
        for instance in instances
        if instance in owned and _is_within(instance.attendance_on, first_on, last_on)
    ]
    return Attendance(tuple(days), tuple(unscheduled))


def _instances_near(punches: list[Punch], instances: list[ShiftInstance]) -> Iterator[list[ShiftInstance]]:
    """Yield, for each punch, the instances that start near enough to own it; years of them would be slow."""
    starts = [instance.starts_at for instance in instances]
    opened = max((instance.starts_at - instance.opens_at for instance in instances), default=NOTHING)
    closed = max((instance.closes_at - instance.starts_at for instance in instances), default=NOTHING)
    for punch in punches:
        first = bisect_left(starts, punch.occurred_at - closed)
        last = bisect_right(starts, punch.occurred_at + opened)
        yield instances[first:last]


def _is_within(on: date, first_on: date | None, last_on: date | None) -> bool:
    return (first_on is None or on >= first_on) and (last_on is None or on <= last_on)
