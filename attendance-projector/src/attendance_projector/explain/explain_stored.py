"""Explain the days of a person and a local date: the facts in the database, and what the rules make of them.

Reads one snapshot and writes nothing. The rules are applied by the use case of the live service, so that a
difference between the stored days and these is never a matter of how one looks at them.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from attendance_projector.domain.absence import AbsenceBasis
from attendance_projector.domain.flexible import unscheduled_date
from attendance_projector.domain.periods import PeriodLock
from attendance_projector.domain.shift_windows import instants_of
from attendance_projector.explain.asked import person_asked
from attendance_projector.explain.dry_run import UnstoredDays, compute_days
from attendance_projector.explain.ports import Snapshot
from attendance_projector.explain.recorded import AskedFacts, Columns, RecordedFact
from attendance_projector.explain.stored_scenario import PersonFacts
from attendance_projector.projection.days.compute_days import REVIEW
from attendance_projector.projection.days.read_inputs import NOTHING_PLANNED
from attendance_projector.projection.periods.keep_locked_days import lock_of_day
from attendance_projector.projection.stored import KnownPerson, PersonDay, Place

# What a locked day keeps, and adjustments add to.
PAID = ("worked_minutes", "overtime_minutes", "late_minutes", "early_minutes", "break_minutes")


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the read model says otherwise than the rules; None: one of the two has nothing there."""

    where: str
    stored: object
    computed: object


@dataclass(frozen=True, slots=True)
class StoredExplanation:
    """The facts behind the days of a date, what the rules make of them, and how the tables differ."""

    on: date
    facts: PersonFacts
    recorded: Sequence[RecordedFact]
    days: Sequence[PersonDay]
    unscheduled: Sequence[str]
    waiting: Sequence[str]
    differences: Sequence[Difference]
    lock: PeriodLock | None
    unpaid: Sequence[Difference]
    # Of a date whose facts do not count any more: what is stored, and nothing to compare it with.
    final: Mapping[str, Columns] | None = None
    # The date waits in the backlog: what is stored may differ for a moment more.
    is_stale: bool = False

    @property
    def is_wrong(self) -> bool:
        """Say whether the tables should be what the rules give, and are not."""
        return not self.is_stale and bool(self.unpaid if self.lock is not None else self.differences)


async def explain_stored(
    snapshot: Snapshot, person_id: str, on: date, org_id: str | None = None
) -> StoredExplanation:
    """Explain the days of a local date. Raises UnknownPerson or SnapshotRefused: see `person_asked`."""
    person = await person_asked(snapshot, person_id, org_id)
    computed = await compute_days(snapshot, [person.key], on, on)
    facts = await _facts_of(snapshot, person, computed)
    recorded = await snapshot.recorded(AskedFacts(*person.key, on, *instants_of(facts.schedule, on, on)))
    lock = await lock_of_day(snapshot.periods, person, on)
    stored = await snapshot.stored_days(person.key, on)
    computed_from = (await snapshot.retention.read()).computed_from
    is_final = computed_from is not None and on < computed_from
    return StoredExplanation(
        on=on,
        facts=facts,
        recorded=recorded,
        days=computed.days,
        unscheduled=_unscheduled(computed, person, on),
        waiting=[each.punch.punch_id for each in computed.read if person.schedule is None],
        differences=[]
        if is_final
        else [*_differing_days(snapshot, computed, stored, on), *_differing_places(computed)],
        lock=lock,
        # Without a time zone the rules say nothing, and nothing is due.
        unpaid=[]
        if lock is None or is_final or person.schedule is None
        else _unpaid(stored, recorded, computed, on),
        final=stored if is_final else None,
        is_stale=await snapshot.backlog.waits(person.key, on),
    )


async def _facts_of(snapshot: Snapshot, person: KnownPerson, computed: UnstoredDays) -> PersonFacts:
    rows = await snapshot.corrections.of_people([person.key])
    home = (person.key.org_id, person.home_site_id)
    reported_until = await snapshot.absence.reported_until([home])
    return PersonFacts(
        person=person,
        schedule=person.schedule or NOTHING_PLANNED,
        punches=sorted(
            (each.punch for each in computed.read), key=lambda punch: (punch.occurred_at, punch.punch_id)
        ),
        corrections=list(rows.values()),
        as_of=await snapshot.absence.as_of(),
        reported_until=reported_until.get(home),
    )


def _unscheduled(computed: UnstoredDays, person: KnownPerson, on: date) -> list[str]:
    if person.schedule is None:
        return []
    found = [each.punch for each in computed.read if computed.place_of(each) == REVIEW]
    found.sort(key=lambda punch: (punch.occurred_at, punch.punch_id))
    return [punch.punch_id for punch in found if unscheduled_date(person.schedule, punch.occurred_at) == on]


def _differing_days(
    snapshot: Snapshot, computed: UnstoredDays, stored: Mapping[str, Columns], on: date
) -> list[Difference]:
    by_rule = {str(each.day.shift_id): snapshot.columns_of(each) for each in computed.days}
    found = []
    for shift_id in sorted(stored.keys() | by_rule.keys()):
        where = f"day {on} {shift_id or 'no shift'}"
        before, after = stored.get(shift_id), by_rule.get(shift_id)
        if before is None or after is None:
            found.append(Difference(where, before and before["status"], after and after["status"]))
            continue
        found += [
            Difference(f"{where}, {name}", before[name], after[name])
            for name in after
            if before[name] != after[name]
        ]
    return found


def _unpaid(
    stored: Mapping[str, Columns], recorded: Sequence[RecordedFact], computed: UnstoredDays, on: date
) -> list[Difference]:
    """Return where a locked day and its adjustments do not add up to what the rules give."""
    adjustments: dict[str, list[Columns]] = defaultdict(list)
    for fact in recorded:
        if fact.kind == "adjustment":
            adjustments[str(fact.columns["shift_id"])].append(fact.columns)
    by_rule = {str(each.day.shift_id): each.day for each in computed.days}
    found = []
    for shift_id in sorted(stored.keys() | adjustments.keys() | by_rule.keys()):
        day = by_rule.get(shift_id)
        # Whether devices have reported is asked again only of days that were there: 24 h decide the others.
        if day is not None and day.absence not in {None, AbsenceBasis.SETTLED}:
            continue
        parts = [stored[shift_id]] if shift_id in stored else []
        parts += adjustments[shift_id]
        paid = {name: sum(int(str(part[name])) for part in parts) for name in PAID}
        due = {name: 0 if day is None else getattr(day, name) for name in PAID}
        where = f"day {on} {shift_id or 'no shift'} with its adjustments"
        found += [
            Difference(f"{where}, {name}", paid[name], due[name]) for name in PAID if paid[name] != due[name]
        ]
        status = None
        for part in parts:
            status = part["status_to"] if "status_to" in part else part["status"]
        expected = None if day is None else day.status.value
        if status != expected:
            found.append(Difference(f"{where}, status", status, expected))
    return found


def _differing_places(computed: UnstoredDays) -> list[Difference]:
    return [
        Difference(f"place of punch {each.punch.punch_id}", _place_text(each.place), _place_text(place))
        for each, place in computed.moves
    ]


def _place_text(place: Place) -> str:
    parts = (place.placement, place.placed_on, place.placed_shift_id)
    return " ".join(str(part) for part in parts if part)
