"""From changed facts to the dates of a person that have to be computed again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import LONGEST_WINDOW, Punch, RosterEntry, ShiftVersion
from attendance_projector.domain.schedule import Employment, Policy, Schedule
from attendance_projector.domain.shift_windows import ONE_DAY, REACH_BACK
from attendance_projector.domain.touched import (
    DateSpan,
    date_touched_by_punch,
    dates_touched_by_employment,
    dates_touched_by_person,
    dates_touched_by_plans,
    dates_touched_by_policies,
    dates_touched_by_roster,
    dates_touched_by_shift,
    expecting_from,
)

# No punch belongs to a day farther away than this.
FARTHEST_DAY = LONGEST_WINDOW + REACH_BACK
# A home site and a default shift.
HomeAndShift = tuple[str, str | None]


@dataclass(frozen=True, slots=True)
class PunchChanged:
    """A punch appeared, or was voided, or no longer is; the rules say which day it touches."""

    punch: Punch


@dataclass(frozen=True, slots=True)
class DayLostPunch:
    """A punch was taken off the day of this date."""

    on: date


@dataclass(frozen=True, slots=True)
class RosterChanged:
    """An entry appeared or disappeared; a change is both, for the old and the new form."""

    entry: RosterEntry


@dataclass(frozen=True, slots=True)
class ShiftChanged:
    """A version of a shift of the person's appeared or disappeared."""

    version: ShiftVersion


@dataclass(frozen=True, slots=True)
class PersonChanged:
    """The person appeared or disappeared, or the zone of a home site changed."""


@dataclass(frozen=True, slots=True)
class PlanChanged:
    """Another home site or default shift holds on some dates."""

    before: Dated[HomeAndShift]
    after: Dated[HomeAndShift]


@dataclass(frozen=True, slots=True)
class EmploymentChanged:
    """The person joins or leaves on another date, or became active or inactive."""

    before: Dated[Employment]
    after: Dated[Employment]


@dataclass(frozen=True, slots=True)
class PoliciesChanged:
    """Another policy is in effect at the home site on some dates."""

    before: tuple[Policy, ...]
    after: tuple[Policy, ...]


@dataclass(frozen=True, slots=True)
class DatesChanged:
    """A holiday, a leave or an override appeared or disappeared; both dates are inclusive."""

    first_on: date
    last_on: date


@dataclass(frozen=True, slots=True)
class HorizonMoved:
    """Time has come to these dates, or decides them otherwise; both are inclusive, None: since ever."""

    first_on: date | None
    last_on: date


@dataclass(frozen=True, slots=True)
class DatesWaited:
    """Dates that waited in the backlog; open, or wider than what is stale."""

    span: DateSpan


Change = (
    PunchChanged
    | DayLostPunch
    | RosterChanged
    | ShiftChanged
    | PersonChanged
    | PlanChanged
    | EmploymentChanged
    | PoliciesChanged
    | DatesChanged
    | HorizonMoved
    | DatesWaited
)


OF_ONE_DATE = (PunchChanged, DayLostPunch)


def needs_extent(changes: Iterable[Change]) -> bool:
    """Say whether the dates can be open-ended, so that the person's punches and days bound them."""
    return not all(isinstance(change, OF_ONE_DATE) for change in changes)


def stale_dates(
    changes: Iterable[Change], schedule: Schedule, extent: tuple[date, date] | None
) -> list[tuple[date, date]]:
    """Return the local dates to compute again, first and last, ordered and apart from each other.

    `extent` spans the dates on which the person can have days; without it, an open-ended change makes nothing
    stale.
    """
    changes = list(changes)
    if not needs_extent(changes):
        # Nearly always: punches came.
        dates = {_date_of(change, schedule) for change in changes if isinstance(change, OF_ONE_DATE)}
        return merged([(on, on) for on in dates])
    if extent is not None and any(isinstance(change, PersonChanged) for change in changes):
        # All dates, and so those of the punches, which the extent is around.
        changes = [change for change in changes if not isinstance(change, PunchChanged)]
    touched = [span for change in changes for span in _touched(change, schedule)]
    return merged([span for each in touched if (span := _clipped(each, extent)) is not None])


def _touched(change: Change, schedule: Schedule) -> list[DateSpan]:
    match change:
        case PunchChanged() | DayLostPunch():
            on = _date_of(change, schedule)
            return [DateSpan(on, on)]
        case RosterChanged(entry):
            return [dates_touched_by_roster(entry, schedule)]
        case ShiftChanged(version):
            return [dates_touched_by_shift(version, schedule)]
        case PersonChanged():
            return [dates_touched_by_person()]
        case PlanChanged(plan_before, plan_after):
            return dates_touched_by_plans(plan_before, plan_after, schedule)
        case EmploymentChanged(before, after):
            return dates_touched_by_employment(before, after)
        case PoliciesChanged(before_policies, after_policies):
            return dates_touched_by_policies(before_policies, after_policies)
        case DatesChanged(first_on, last_on):
            return [DateSpan(first_on, last_on)]
        case DatesWaited(span):
            return [span]
        case HorizonMoved(begun_on, horizon):
            # Before the first policy that expects anybody, time decides nothing.
            expecting = expecting_from(schedule)
            return [] if expecting is None else [DateSpan(begun_on or expecting, horizon)]


def _date_of(change: PunchChanged | DayLostPunch, schedule: Schedule) -> date:
    return change.on if isinstance(change, DayLostPunch) else date_touched_by_punch(change.punch, schedule)


def _clipped(span: DateSpan, extent: tuple[date, date] | None) -> tuple[date, date] | None:
    if span.first_on is not None and span.first_on == span.last_on:
        return span.first_on, span.last_on
    if extent is None:
        return None
    first = max(extent[0], span.first_on or extent[0])
    last = min(extent[1], span.last_on or extent[1])
    return (first, last) if first <= last else None


def computed(spans: Sequence[tuple[date, date]], computed_from: date | None) -> list[tuple[date, date]]:
    """Leave out earlier dates, whose days stay as they are for ever; None: there are none."""
    if computed_from is None:
        return list(spans)
    return [(max(first, computed_from), last) for first, last in spans if last >= computed_from]


def merged(spans: Sequence[tuple[date, date]]) -> list[tuple[date, date]]:
    """Join spans that overlap or touch."""
    joined: list[tuple[date, date]] = []
    for first, last in sorted(spans):
        if joined and first - joined[-1][1] <= ONE_DAY:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
