"""Compare the days of a month as they are with those that other policies or shifts would give.

Both sides are computed from the same snapshot by the use case of the live service; nothing is written. People
are taken in rounds, so that memory does not grow with their number.
"""

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from attendance_projector.domain.day import AttendanceDay
from attendance_projector.errors import SnapshotRefused
from attendance_projector.explain.asked import people_at_site, person_asked
from attendance_projector.explain.dry_run import PEOPLE_PER_ROUND, UnstoredDays, compute_days
from attendance_projector.explain.ports import Snapshot
from attendance_projector.explain.what_if_file import WhatIf, altered
from attendance_projector.projection.stored import KnownPerson, PersonKey

# What payroll looks at; a day on which one of these is another changes.
FIGURES = ("worked_minutes", "overtime_minutes", "late_minutes", "early_minutes")
KNOWN_SHOWN = 10
DayKey = tuple[date, str]


@dataclass(frozen=True, slots=True)
class ChangedDay:
    """A day as it is and as it would be; None: there is no such day."""

    on: date
    shift_id: str
    before: AttendanceDay | None
    after: AttendanceDay | None


@dataclass(slots=True)
class Side:
    """What the days of one side add up to."""

    statuses: Counter[str] = field(default_factory=Counter)
    figures: Counter[str] = field(default_factory=Counter)

    def add(self, day: AttendanceDay) -> None:
        """Count a day."""
        self.statuses[day.status.value] += 1
        self.figures.update({name: getattr(day, name) for name in FIGURES})

    def add_all(self, other: "Side") -> None:
        """Count what the other has counted."""
        self.statuses.update(other.statuses)
        self.figures.update(other.figures)


@dataclass(slots=True)
class Totals:
    """Both sides, and how many days and people change."""

    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)
    changed_days: int = 0
    people: int = 0
    changed_people: int = 0

    def add(self, person: "ComparedPerson") -> None:
        """Count a person."""
        self.before.add_all(person.totals.before)
        self.after.add_all(person.totals.after)
        self.changed_days += len(person.changed)
        self.people += 1
        self.changed_people += bool(person.changed)


@dataclass(frozen=True, slots=True)
class ComparedPerson:
    """The days of one person that would be others, in order, and the totals of all days."""

    person_id: str
    changed: Sequence[ChangedDay]
    totals: Totals


async def people_asked(
    snapshot: Snapshot, person_id: str | None, site_id: str | None, org_id: str | None
) -> Sequence[PersonKey]:
    """Return the one person, or the people of the site. Raises UnknownPerson or SnapshotRefused."""
    if person_id is not None:
        return [(await person_asked(snapshot, person_id, org_id)).key]
    return [] if site_id is None else await people_at_site(snapshot, site_id, org_id)


async def check_shifts(snapshot: Snapshot, what_if: WhatIf, people: Sequence[PersonKey]) -> None:
    """Raise SnapshotRefused, naming the field, when the what-if changes a shift that nobody recorded."""
    known = await snapshot.shift_ids({person.org_id for person in people})
    for index, change in enumerate(what_if.shifts):
        if people and change.id not in known:
            shown = ", ".join(sorted(known)[:KNOWN_SHOWN]) or "none"
            raise SnapshotRefused(
                f"shifts[{index}].id: no shift {change.id!r} is recorded in the organisation; "
                f"there are {shown}"
            )


async def compare_days(
    snapshot: Snapshot, people: Sequence[PersonKey], first_on: date, last_on: date, what_if: WhatIf
) -> AsyncGenerator[ComparedPerson, None]:
    """Yield every person with the days that would change. Raises ScenarioError, naming the field."""

    def alter(person: KnownPerson) -> KnownPerson:
        if person.schedule is None:
            return person
        return replace(person, schedule=altered(person.schedule, what_if, first_on))

    for start in range(0, len(people), PEOPLE_PER_ROUND):
        of_round = people[start : start + PEOPLE_PER_ROUND]
        before = _by_person(await compute_days(snapshot, of_round, first_on, last_on))
        after = _by_person(await compute_days(snapshot, of_round, first_on, last_on, alter))
        for person in of_round:
            yield _compared(person.person_id, before[person], after[person])


def _by_person(computed: UnstoredDays) -> dict[PersonKey, dict[DayKey, AttendanceDay]]:
    found: dict[PersonKey, dict[DayKey, AttendanceDay]] = defaultdict(dict)
    for each in computed.days:
        found[each.person.key][each.day.attendance_on, each.day.shift_id] = each.day
    return found


def _compared(
    person_id: str, before: dict[DayKey, AttendanceDay], after: dict[DayKey, AttendanceDay]
) -> ComparedPerson:
    totals = Totals(people=1)
    changed = []
    for day in before.values():
        totals.before.add(day)
    for day in after.values():
        totals.after.add(day)
    for on, shift_id in sorted(before.keys() | after.keys()):
        pair = before.get((on, shift_id)), after.get((on, shift_id))
        if _figures(pair[0]) != _figures(pair[1]):
            changed.append(ChangedDay(on, shift_id, *pair))
    totals.changed_days, totals.changed_people = len(changed), int(bool(changed))
    return ComparedPerson(person_id, changed, totals)


def _figures(day: AttendanceDay | None) -> tuple[object, ...] | None:
    return None if day is None else (day.status, *(getattr(day, name) for name in FIGURES))
