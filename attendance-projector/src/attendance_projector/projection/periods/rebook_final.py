"""Where the adjustments of final days are booked, and with which lock they are paid.

A final day is never computed again, since its punches are not kept. What the rules said last is the stored
day with all of its adjustments, and that stays; only where it is booked and what of it is settled goes by the
locks of later periods, as for any other day.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from itertools import groupby

import msgspec

from attendance_projector.domain.explanation import Explanation, Rule
from attendance_projector.domain.periods import ONE_DAY, Figures, adjustment_of, lock_on, with_all
from attendance_projector.projection.periods.keep_locked_days import locks_of, rules_of, settled_rows
from attendance_projector.projection.periods.ports import Periods
from attendance_projector.projection.periods.stored import AdjustmentRow, DayKey, LockedSpan, StoredLock
from attendance_projector.projection.stored import PersonDates, PersonKey

# The lock that keeps the day, and the difference: said anew with each booking.
OF_THE_BOOKING = (Rule.PERIOD_LOCK, Rule.ADJUSTMENT)


def final_part(spans: Iterable[PersonDates], final_before: date | None) -> list[PersonDates]:
    """Return the final dates around the spans, one span for each person; None: no date is final."""
    if final_before is None:
        return []
    found: dict[PersonKey, PersonDates] = {}
    for span in spans:
        if span.first_on < final_before:
            known = found.get(span.person, span)
            first_on = min(known.first_on, span.first_on)
            last_on = min(max(known.last_on, span.last_on), final_before - ONE_DAY)
            found[span.person] = PersonDates(span.person, first_on, last_on)
    return list(found.values())


async def rebook_final(periods: Periods, spans: Sequence[PersonDates]) -> None:
    """Book the adjustments of final days where the locks in force leave room; one span for each person.

    The transaction holds the locks of these people.
    """
    if not spans:
        return
    stored, recorded = await periods.adjustments(spans), await periods.recorded_adjustments(spans)
    known = [*stored, *recorded]
    if not known:
        return
    people = {row.person for row in known}
    first_on = min(row.adjustment.attendance_on for row in known)
    in_force = await periods.in_force({person.org_id for person in people}, first_on)
    locks = await locks_of(periods, people, in_force)
    by_day = {key: list(rows) for key, rows in groupby(stored, key=_key)}
    kept = await periods.kept(list(_keeping(map(_key, known), locks)))
    settled = settled_rows(locks, recorded)
    rows = [row for of_day in settled.values() for row in of_day]
    for key in sorted({*by_day, *settled}):
        person, on, shift_id = key
        # Without any, the rules said last what is stored.
        of_day, paid = by_day.get(key, []), settled.get(key, [])
        last = (of_day or paid)[-1]
        day = kept.get(key, Figures((of_day or paid)[0].adjustment.status_from))
        due = adjustment_of(
            (on, shift_id),
            day,
            [row.adjustment for row in paid],
            with_all(day, [row.adjustment for row in of_day]),
            rules_of(locks.get(person, ())),
            _why(last),
        )
        if due is not None:
            rows.append(replace(last, adjustment=due, explanation=None))
    await periods.replace_adjustments(spans, rows)


def _key(row: AdjustmentRow) -> DayKey:
    return row.person, row.adjustment.attendance_on, row.adjustment.shift_id


def _keeping(days: Iterable[DayKey], locks: Mapping[PersonKey, Sequence[StoredLock]]) -> Iterator[LockedSpan]:
    """Return each date with the lock that keeps it."""
    for person, on in sorted({(person, on) for person, on, _ in days}):
        of_person = {each.lock.lock_id: each for each in locks.get(person, ())}
        keeping = lock_on(rules_of(list(of_person.values())), on)
        if keeping is not None:
            stored = of_person[keeping.lock_id]
            yield LockedSpan(person, on, on, stored.key.fact_id, stored.sealing_id)


def _why(row: AdjustmentRow) -> list[Explanation]:
    """Return why the rules saw the day as they did, from what is stored of the adjustment."""
    entries = msgspec.json.decode(row.explanation or "[]", type=list[Explanation])
    return [entry for entry in entries if entry.rule not in OF_THE_BOOKING]
