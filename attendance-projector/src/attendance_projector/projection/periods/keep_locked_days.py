"""Between the rules and the tables: days of locked periods stay, and the difference becomes an adjustment.

Everything else goes on to be stored. Where no lock ends on the first date computed or later, that is all.
Of somebody whom the directory does not have, or not with a time zone, the rules say nothing: what was locked
and settled stays, and nothing is due, neither on top of what was paid nor back.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from attendance_projector.domain.facts import ShiftId
from attendance_projector.domain.periods import (
    NO_DAY,
    Figures,
    PeriodLock,
    adjustment_of,
    figures_and_reasons,
    figures_of,
    lock_on,
    settled_adjustments,
)
from attendance_projector.domain.shift_windows import ONE_DAY
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.periods.stored import AdjustmentRow, DayKey, LockedSpan, StoredLock
from attendance_projector.projection.stored import KnownPerson, PersonDates, PersonDay, PersonKey


@dataclass(frozen=True, slots=True)
class Computed:
    """Spans of dates of people, and the days of them by the rules."""

    spans: Sequence[PersonDates]
    days: Sequence[PersonDay]


@dataclass(frozen=True, slots=True)
class _Locked:
    """Spans of dates that locks keep, and the days of them by the rules."""

    spans: Sequence[LockedSpan]
    days: Sequence[PersonDay]


async def keep_locked_days(
    periods: Periods, people: Mapping[PersonKey, KnownPerson], computed: Computed
) -> Computed:
    """Restore the locked days of the spans, store the adjustments; return what is left to be stored.

    The transaction holds the locks of these people.
    """
    if not computed.spans:
        return computed
    first_on = min(span.first_on for span in computed.spans)
    named = {span.person for span in computed.spans}
    strangers = named - people.keys()
    in_force = await periods.in_force({person.org_id for person in named}, first_on)
    if not in_force and not strangers:
        return computed
    locks = await locks_of(periods, named, in_force)
    touched = [span for span in computed.spans if span.person in locks or span.person in strangers]
    if not touched:
        return computed
    locked, left = _cut_out(computed, locks)
    await periods.restore(locked.spans, locked.days)
    kept = await periods.kept(locked.spans)
    by_rule = {_key(each): each for each in computed.days if each.person.key in locks}
    recorded = await periods.recorded_adjustments(touched)
    await periods.replace_adjustments(touched, _adjustments(people, locks, kept, by_rule, recorded))
    return left


def _cut_out(computed: Computed, locks: Mapping[PersonKey, Sequence[StoredLock]]) -> tuple[_Locked, Computed]:
    """Part what locks keep from what is left to be stored."""
    cut = [part for span in computed.spans for part in _cut(span, locks.get(span.person, ()))]
    is_locked = {
        (each.person.key, each.day.attendance_on)
        for each in computed.days
        if lock_on(rules_of(locks.get(each.person.key, ())), each.day.attendance_on) is not None
    }
    locked = _Locked(
        [part for part in cut if isinstance(part, LockedSpan)],
        [each for each in computed.days if (each.person.key, each.day.attendance_on) in is_locked],
    )
    left = Computed(
        [part for part in cut if isinstance(part, PersonDates)],
        [each for each in computed.days if (each.person.key, each.day.attendance_on) not in is_locked],
    )
    return locked, left


async def lock_of_day(periods: Periods, person: KnownPerson, on: date) -> PeriodLock | None:
    """Return the lock that keeps a local date of a person; None when it is open."""
    in_force = await periods.in_force({person.key.org_id}, on)
    locks = await locks_of(periods, {person.key}, in_force)
    return lock_on(rules_of(locks.get(person.key, ())), on)


async def locks_of(
    periods: Periods, people: Collection[PersonKey], in_force: Sequence[StoredLock]
) -> dict[PersonKey, list[StoredLock]]:
    """Return the locks of each of the people who has any."""
    of_sites = [each.key for each in in_force if each.site_id is not None]
    covered = await periods.covered(of_sites, people) if of_sites else set()
    of_organisation: dict[str, list[StoredLock]] = defaultdict(list)
    for each in in_force:
        of_organisation[each.key.org_id].append(each)
    found: dict[PersonKey, list[StoredLock]] = {}
    for person in people:
        mine = [
            each
            for each in of_organisation.get(person.org_id, ())
            if each.site_id is None or (each.key, person.person_id) in covered
        ]
        if mine:
            found[person] = mine
    return found


def rules_of(locks: Sequence[StoredLock]) -> list[PeriodLock]:
    """Return the locks as the rules know them."""
    return [each.lock for each in locks]


def _cut(span: PersonDates, locks: Sequence[StoredLock]) -> Iterator[PersonDates | LockedSpan]:
    """Cut a span where another lock, or none, begins to keep the dates."""
    by_id = {each.lock.lock_id: each for each in locks}
    rules = rules_of(locks)
    bounds = {span.first_on}
    for lock in rules:
        bounds |= {lock.starts_on, lock.ends_on + ONE_DAY}
    starts = sorted(on for on in bounds if span.first_on <= on <= span.last_on)
    ends = [*(on - ONE_DAY for on in starts[1:]), span.last_on]
    for first_on, last_on in zip(starts, ends, strict=True):
        keeping = lock_on(rules, first_on)
        if keeping is None:
            yield PersonDates(span.person, first_on, last_on)
        else:
            stored = by_id[keeping.lock_id]
            yield LockedSpan(span.person, first_on, last_on, stored.key.fact_id, stored.sealing_id)


def _key(each: PersonDay) -> DayKey:
    return each.person.key, each.day.attendance_on, each.day.shift_id


def _adjustments(
    people: Mapping[PersonKey, KnownPerson],
    locks: Mapping[PersonKey, Sequence[StoredLock]],
    kept: Mapping[DayKey, Figures],
    by_rule: Mapping[DayKey, PersonDay],
    recorded: Sequence[AdjustmentRow],
) -> list[AdjustmentRow]:
    """Return all adjustments, settled and due, of all days that are kept, by the rules, or settled."""
    settled = settled_rows(locks, recorded)
    rows = [row for of_day in settled.values() for row in of_day]
    for key in sorted({*kept, *by_rule, *settled}):
        person_key, on, shift_id = key
        person = people.get(person_key)
        if person is None or person.schedule is None:
            continue
        rules, now = rules_of(locks[person_key]), by_rule.get(key)
        stored = kept.get(key, NO_DAY)
        if now is not None and lock_on(rules, on) is None:
            stored = figures_of(now.day)
        paid = [row.adjustment for row in settled.get(key, ())]
        day = None if now is None else now.day
        figures, why = figures_and_reasons(day)
        due = adjustment_of((on, shift_id), stored, paid, figures, rules, why)
        if due is None:
            continue
        absence = None if day is None or day.absence is None else day.absence.value
        closes_at = None if day is None else day.closes_at
        rows.append(AdjustmentRow(person_key, person.home_site_id, due, closes_at, absence))
    return rows


def settled_rows(
    locks: Mapping[PersonKey, Sequence[StoredLock]], recorded: Sequence[AdjustmentRow]
) -> dict[DayKey, list[AdjustmentRow]]:
    """Return the recorded adjustments that count as paid, by day, oldest first."""
    found: dict[DayKey, list[AdjustmentRow]] = defaultdict(list)
    for person, rows in groupby(sorted(recorded, key=_of_person), key=_of_person):
        of_person = list(rows)
        by_lock = [(str(row.adjustment.settled_by), row.adjustment) for row in of_person]
        paid = settled_adjustments(by_lock, rules_of(locks.get(person, ())))
        sites = {(row.adjustment.key, row.adjustment.settled_by): row for row in of_person}
        for each in paid:
            row = replace(sites[each.key, each.settled_by], adjustment=each)
            found[person, each.attendance_on, ShiftId(each.shift_id)].append(row)
    return found


def _of_person(row: AdjustmentRow) -> PersonKey:
    return row.person


def dates_of(spans: Sequence[PersonDates | LockedSpan]) -> tuple[date, date]:
    """Return the first and last date of any of the spans, so that partitions are pruned."""
    return min(span.first_on for span in spans), max(span.last_on for span in spans)
