"""Compute the days that changed facts made stale, and put every punch of them in its place.

Only stale dates are computed, from all punches around them, so late facts change exactly the days that they
touch. People whose record or home site has not arrived yet have no zone: their punches wait, and are placed
when the directory learns.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.facts import Direction, Punch, PunchId
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import instants_of
from attendance_projector.ports import (
    AcceptedPunch,
    KnownPerson,
    PersonDates,
    PersonDay,
    PersonInstants,
    Place,
    StoredPunch,
    Transaction,
)
from attendance_projector.stale_dates import Change, PunchAdded, needs_extent, stale_dates

# A round holds every punch of its people around the stale dates in memory.
PEOPLE_PER_ROUND = 1000
REVIEW = Place("REVIEW")
WAITING = Place("WAITING")
NOTHING_PLANNED = Schedule(zone=ZoneInfo("UTC"))


def as_punch(accepted: AcceptedPunch) -> Punch:
    """Return the punch as the rules read it."""
    direction = None if accepted.direction is None else Direction(accepted.direction.lower())
    return Punch(PunchId(str(accepted.punch_id)), accepted.occurred_at, direction, accepted.method)


@dataclass(slots=True)
class _Round:
    """What comes out for a group of people."""

    spans: list[PersonDates] = field(default_factory=list)
    days: list[PersonDay] = field(default_factory=list)
    moves: list[tuple[StoredPunch, Place]] = field(default_factory=list)
    new: list[tuple[AcceptedPunch, Place]] = field(default_factory=list)


async def recompute_days(
    transaction: Transaction, changes: Mapping[str, Sequence[Change]], added: Sequence[AcceptedPunch]
) -> int:
    """Recompute what the changes, by person, make stale; store the added punches; return the days computed.

    The transaction holds the locks of these people.
    """
    new_by_person: dict[str, list[AcceptedPunch]] = defaultdict(list)
    all_changes: dict[str, list[Change]] = defaultdict(list)
    for person_id, of_person in changes.items():
        all_changes[person_id].extend(of_person)
    for accepted in added:
        new_by_person[accepted.person_id].append(accepted)
        all_changes[accepted.person_id].append(PunchAdded(as_punch(accepted)))
    count = 0
    for person_ids in _rounds(sorted(all_changes)):
        result = await _compute_round(
            transaction, {each: all_changes[each] for each in person_ids}, new_by_person
        )
        await transaction.days.replace(result.spans, result.days)
        await transaction.days.move_punches(result.moves)
        await transaction.captures.store_punches(result.new)
        count += len(result.days)
    return count


def _rounds(person_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(person_ids), PEOPLE_PER_ROUND):
        yield person_ids[start : start + PEOPLE_PER_ROUND]


async def _compute_round(
    transaction: Transaction,
    changes: Mapping[str, Sequence[Change]],
    new_by_person: Mapping[str, Sequence[AcceptedPunch]],
) -> _Round:
    people = await transaction.directory.people(changes)
    extents = await transaction.days.punch_extents(
        [person_id for person_id, of_person in changes.items() if needs_extent(of_person)]
    )
    stale: dict[str, list[tuple[date, date]]] = {}
    for person_id, of_person in changes.items():
        new = [accepted.occurred_at for accepted in new_by_person.get(person_id, ())]
        extent = _widened(person_id, extents.get(person_id), new)
        stale[person_id] = stale_dates(of_person, _schedule(people.get(person_id)), extent)
    stored = await _punches_around(transaction, stale, people)
    result = _Round()
    for person_id, spans in stale.items():
        _place(
            result,
            person_id,
            people.get(person_id),
            spans,
            stored[person_id],
            new_by_person.get(person_id, ()),
        )
    return result


def _widened(person_id: str, extent: PersonInstants | None, new: Sequence[datetime]) -> PersonInstants | None:
    instants = [*new] if extent is None else [*new, extent.first_at, extent.last_at]
    return PersonInstants(person_id, min(instants), max(instants)) if instants else None


def _schedule(person: KnownPerson | None) -> Schedule:
    return NOTHING_PLANNED if person is None or person.schedule is None else person.schedule


async def _punches_around(
    transaction: Transaction,
    stale: Mapping[str, Sequence[tuple[date, date]]],
    people: Mapping[str, KnownPerson],
) -> Mapping[str, list[StoredPunch]]:
    wanted = []
    for person_id, spans in stale.items():
        schedule = _schedule(people.get(person_id))
        wanted += _apart([PersonInstants(person_id, *instants_of(schedule, *span)) for span in spans])
    found: dict[str, list[StoredPunch]] = defaultdict(list)
    for punch in await transaction.days.punches(wanted):
        found[punch.person_id].append(punch)
    return found


def _apart(spans: Sequence[PersonInstants]) -> list[PersonInstants]:
    """Join the spans of one person that overlap, so that no punch is read twice; they come ordered."""
    joined: list[PersonInstants] = []
    for span in spans:
        if joined and span.first_at <= joined[-1].last_at:
            last_at = max(span.last_at, joined[-1].last_at)
            joined[-1] = PersonInstants(span.person_id, joined[-1].first_at, last_at)
        else:
            joined.append(span)
    return joined


def _place(
    result: _Round,
    person_id: str,
    person: KnownPerson | None,
    spans: Sequence[tuple[date, date]],
    stored: Sequence[StoredPunch],
    new: Sequence[AcceptedPunch],
) -> None:
    schedule = _schedule(person)
    not_on_a_day = WAITING if schedule is NOTHING_PLANNED else REVIEW
    punches = [*(each.punch for each in stored), *map(as_punch, new)]
    places: dict[PunchId, Place] = {}
    for first_on, last_on in spans:
        result.spans.append(PersonDates(person_id, first_on, last_on))
        computed = attendance(punches, schedule, first_on, last_on)
        for ownership in computed.unscheduled:
            places[ownership.punch.punch_id] = not_on_a_day
        for day in computed.days:
            place = Place("DAY", day.attendance_on, day.shift_id)
            places.update(dict.fromkeys((*day.punches, *day.evidence), place))
            if person is not None:
                result.days.append(PersonDay(person, day))
    for each in stored:
        place = places.get(each.punch.punch_id, each.place)
        if place != each.place:
            result.moves.append((each, place))
    # A new punch touches its own date, so it was placed above.
    result.new += [(accepted, places[PunchId(str(accepted.punch_id))]) for accepted in new]
