"""The rules as one function: a person's punches, corrections and schedule to attendance days.

Every punch that is not voided is in exactly one place: a day, or the unscheduled list. The same facts in any
order, with any repetition, give the same answer.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from itertools import repeat

from attendance_projector.domain.absence import Knowledge
from attendance_projector.domain.corrections import Correction, CorrectionsInForce, corrections_in_force
from attendance_projector.domain.day import AttendanceDay, build_day
from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.facts import NOTHING, Punch, distinct_punches
from attendance_projector.domain.flexible import flexible_day, unscheduled_date
from attendance_projector.domain.local_time import start_instant
from attendance_projector.domain.override import day_of_override, overridden
from attendance_projector.domain.ownership import Ownership, owner_of
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import (
    ShiftInstance,
    instances_between,
    instances_reaching,
    instants_of,
)

NOTHING_KNOWN = Knowledge()
Order = tuple[datetime, datetime, date, str]
# So few instances are looked at one by one.
FEW_INSTANCES = 8


@dataclass(frozen=True, slots=True)
class Attendance:
    """Days, ordered by shift start, and punches that no day owns, ordered by instant."""

    days: tuple[AttendanceDay, ...]
    unscheduled: tuple[Ownership, ...]


def attendance(
    punches: Iterable[Punch],
    schedule: Schedule,
    first_on: date | None = None,
    last_on: date | None = None,
    *,
    corrections: Iterable[Correction] = (),
    known: Knowledge | None = None,
) -> Attendance:
    """Return the days whose local date is from first to last, inclusive; None leaves a side open.

    Days without a punch are returned when `known` is given and both sides are closed. An unscheduled punch is
    listed under its own local date in the site's zone. For a day to be complete, give all punches of
    `shift_windows.instants_of` its date. Raises RuleError when one id names two facts.
    """
    in_force = corrections_in_force(corrections)
    ordered = distinct_punches([*punches, *_added(in_force, schedule, first_on, last_on)])
    owned: dict[ShiftInstance, list[Ownership]] = defaultdict(list)
    unscheduled: list[Ownership] = []
    for ownership in _ownerships(ordered, schedule):
        if ownership.instance is not None:
            owned[ownership.instance].append(ownership)
        elif ownership.punch.punch_id not in in_force.voids and _is_within(
            unscheduled_date(schedule, ownership.punch.occurred_at), first_on, last_on
        ):
            unscheduled.append(ownership)
    empty = _instances_without_punch(schedule, first_on, last_on, in_force, is_listing=known is not None)
    days: list[tuple[Order, AttendanceDay]] = []
    for instance in empty:
        owned.setdefault(instance, [])
    for instance, punched in owned.items():
        if not _is_within(instance.attendance_on, first_on, last_on):
            continue
        kept = [each for each in punched if each.punch.punch_id not in in_force.voids]
        if kept or instance in empty:
            corrected = list(_corrected(punched, in_force))
            built = build_day(instance, kept, schedule, known or NOTHING_KNOWN, corrected)
            days.append((instance.order, built))
    days = sorted(_with_overrides(days, schedule, first_on, last_on, in_force), key=lambda each: each[0])
    beside = _beside(unscheduled, schedule)
    return Attendance(
        tuple(replace(day, explanation=(*day.explanation, *beside[day.attendance_on])) for _, day in days),
        tuple(unscheduled),
    )


def _beside(unscheduled: Iterable[Ownership], schedule: Schedule) -> Mapping[date, list[Explanation]]:
    """Return what the days of each date say of the punches on it that belong to no day."""
    found: dict[date, list[Explanation]] = defaultdict(list)
    for ownership in unscheduled:
        found[unscheduled_date(schedule, ownership.punch.occurred_at)].append(ownership.why)
    return found


def _added(
    in_force: CorrectionsInForce, schedule: Schedule, first_on: date | None, last_on: date | None
) -> list[Punch]:
    """Return the added punches that these days can depend on: years without any lie between others."""
    added = [each.punch for each in in_force.additions.values()]
    if not added or first_on is None or last_on is None:
        return added
    first_at, last_at = instants_of(schedule, first_on, last_on)
    return [punch for punch in added if first_at <= punch.occurred_at <= last_at]


def _ownerships(ordered: list[Punch], schedule: Schedule) -> Iterator[Ownership]:
    if not ordered:
        return
    instances = instances_reaching(schedule, ordered[0].occurred_at, ordered[-1].occurred_at)
    for punch, near in zip(ordered, _instances_near(ordered, instances), strict=True):
        yield flexible_day(owner_of(punch, near), schedule)


def _instances_without_punch(
    schedule: Schedule,
    first_on: date | None,
    last_on: date | None,
    in_force: CorrectionsInForce,
    *,
    is_listing: bool,
) -> set[ShiftInstance]:
    """Return the instances that make a day even without a punch: expected ones, and those overridden."""
    instances: set[ShiftInstance] = set()
    if is_listing and first_on is not None and last_on is not None:
        between = instances_between(schedule, first_on, last_on)
        instances |= {each for each in between if schedule.expects(each.attendance_on)}
    for override in in_force.overrides:
        on_date = instances_between(schedule, override.on, override.on)
        instances |= {each for each in on_date if override.replaces(override.on, each.shift.shift_id)}
    return instances


def _corrected(owned: list[Ownership], in_force: CorrectionsInForce) -> Iterator[Explanation]:
    """Explain the punches of a day that corrections removed or added: who, when, why."""
    for ownership in owned:
        punch_id = ownership.punch.punch_id
        if punch_id in in_force.voids:
            text = f"not used: voided {in_force.voids[punch_id].made.text}"
            yield Explanation(Rule.VOID, punch_id, text)
        elif punch_id in in_force.additions:
            text = f"added {in_force.additions[punch_id].made.text}"
            yield Explanation(Rule.ADDITION, punch_id, text)


def _with_overrides(
    days: list[tuple[Order, AttendanceDay]],
    schedule: Schedule,
    first_on: date | None,
    last_on: date | None,
    in_force: CorrectionsInForce,
) -> list[tuple[Order, AttendanceDay]]:
    """Replace the overridden days, oldest override first, so that the newest stands."""
    for override in in_force.overrides:
        if not _is_within(override.on, first_on, last_on):
            continue
        replaced = [
            (order, overridden(day, override) if override.replaces(day.attendance_on, day.shift_id) else day)
            for order, day in days
        ]
        if replaced == days:
            midnight = start_instant(override.on, time(), schedule.zone_on(override.on))
            order = (midnight, midnight, override.on, override.shift_id or "")
            replaced.append((order, day_of_override(override)))
        days = replaced
    return days


def _instances_near(punches: list[Punch], instances: list[ShiftInstance]) -> Iterator[list[ShiftInstance]]:
    """Yield, for each punch, the instances that start near enough to own it; years of them would be slow."""
    if len(instances) <= FEW_INSTANCES:
        yield from repeat(instances, len(punches))
        return
    starts = [instance.starts_at for instance in instances]
    opened = max((instance.starts_at - instance.opens_at for instance in instances), default=NOTHING)
    closed = max((instance.closes_at - instance.starts_at for instance in instances), default=NOTHING)
    for punch in punches:
        first = bisect_left(starts, punch.occurred_at - closed)
        last = bisect_right(starts, punch.occurred_at + opened)
        yield instances[first:last]


def _is_within(on: date, first_on: date | None, last_on: date | None) -> bool:
    return (first_on is None or on >= first_on) and (last_on is None or on <= last_on)
