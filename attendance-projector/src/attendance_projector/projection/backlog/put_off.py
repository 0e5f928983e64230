"""Compute days with the fact that made them stale, or let them wait when they are many.

A fact about a few dates of a few people is computed in its own transaction, as punches are. One about many
people, or many years of a few, such as another version of a shift, would keep everybody waiting: it stores
whose dates are stale, and they are computed afterwards, a bounded part at a time. Which dates these are is
then a matter of the schedule of that time; here it is enough that none is left out.

A later fact about a day that waits computes it with all that is known, and once more when its turn comes:
computing twice changes nothing.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime

from attendance_projector.domain.facts import LONGEST_WINDOW
from attendance_projector.domain.shift_windows import REACH_AHEAD, REACH_BACK
from attendance_projector.domain.touched import (
    DateSpan,
    dates_of_other_plans,
    dates_touched_by_employment,
    dates_touched_by_policies,
)
from attendance_projector.projection.days.read_inputs import stale_of_people
from attendance_projector.projection.days.recompute_days import Write, recompute_days
from attendance_projector.projection.days.stale_dates import (
    OF_ONE_DATE,
    Change,
    DatesChanged,
    DatesWaited,
    EmploymentChanged,
    HorizonMoved,
    PersonChanged,
    PlanChanged,
    PoliciesChanged,
    RosterChanged,
    ShiftChanged,
)
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.stored import AcceptedPunch, PersonKey

# Of more people not even the number of dates is looked for.
PEOPLE_AT_ONCE = 20
# So many take about as long as a batch of punches: half a second.
DATES_AT_ONCE = 2000
# No change of a shift or roster reaches days farther away, whatever the windows.
FARTHEST = REACH_BACK + REACH_AHEAD + 2 * LONGEST_WINDOW

Changes = Mapping[PersonKey, Sequence[Change]]


async def compute_or_put_off(
    transaction: Transaction,
    changes: Changes,
    added: Sequence[AcceptedPunch],
    write: Write,
    *,
    people_at_once: int = PEOPLE_AT_ONCE,
) -> int:
    """Compute single punches, and few dates of few people; let the rest wait; return the days computed."""
    now, later = parted(changes, people_at_once)
    if not later:
        narrow, wide = parted(changes, 0)
        if await _has_many_dates(transaction, changes, wide, added):
            now, later = narrow, wide
    if later:
        await transaction.backlog.add(later)
    return await recompute_days(transaction, now, added, write)


def parted(
    changes: Changes, people_at_once: int = PEOPLE_AT_ONCE
) -> tuple[Changes, Mapping[PersonKey, Sequence[DateSpan]]]:
    """Part what is computed now from the dates that wait."""
    of_many = {
        person: wide
        for person, of_person in changes.items()
        if (wide := [each for each in of_person if not isinstance(each, OF_ONE_DATE)])
    }
    if len(of_many) <= people_at_once:
        return changes, {}
    now = {
        person: narrow
        for person, of_person in changes.items()
        if (narrow := [each for each in of_person if isinstance(each, OF_ONE_DATE)])
    }
    return now, {person: _spans(of_person) for person, of_person in of_many.items()}


async def _has_many_dates(
    transaction: Transaction,
    changes: Changes,
    wide: Mapping[PersonKey, Sequence[DateSpan]],
    added: Sequence[AcceptedPunch],
) -> bool:
    if _longest([span for spans in wide.values() for span in spans]) <= DATES_AT_ONCE:
        return False
    new_at: dict[PersonKey, list[datetime]] = {}
    for punch in added:
        new_at.setdefault(punch.person, []).append(punch.occurred_at)
    stale = await stale_of_people(transaction, {each: changes[each] for each in wide}, new_at=new_at)
    dates = sum((last - first).days + 1 for spans in stale.values() for first, last in spans)
    return dates > DATES_AT_ONCE


def _longest(spans: Sequence[DateSpan]) -> float:
    """Return how many dates these may be, without a look at anybody's days."""
    return sum(
        math.inf if span.first_on is None or span.last_on is None else (span.last_on - span.first_on).days + 1
        for span in spans
    )


def _spans(changes: Sequence[Change]) -> list[DateSpan]:
    return list(dict.fromkeys(span for change in changes for span in _reached(change)))


def _reached(change: Change) -> Sequence[DateSpan]:
    """Return dates that the change reaches, and maybe more, without knowing the schedule."""
    match change:
        case RosterChanged(entry):
            return [_wider(entry.starts_on, entry.ends_on)]
        case ShiftChanged(version):
            return [_wider(version.effective_on, None)]
        case PersonChanged():
            return [DateSpan()]
        case PlanChanged(plan_before, plan_after):
            spans = dates_of_other_plans(plan_before, plan_after)
            return [_wider(span.first_on or date.min, span.last_on) for span in spans]
        case EmploymentChanged(before, after):
            return dates_touched_by_employment(before, after)
        case PoliciesChanged(before_policies, after_policies):
            return dates_touched_by_policies(before_policies, after_policies)
        case DatesChanged(first_on, last_on) | HorizonMoved(first_on, last_on):
            return [DateSpan(first_on, last_on)]
        case DatesWaited(span):
            return [span]
        case _:
            raise TypeError(f"{change!r} is of one date and computed with its fact")


def _wider(first_on: date, last_on: date | None) -> DateSpan:
    first = None if first_on - date.min < FARTHEST else first_on - FARTHEST
    last = None if last_on is None or date.max - last_on < FARTHEST else last_on + FARTHEST
    return DateSpan(first, last)
