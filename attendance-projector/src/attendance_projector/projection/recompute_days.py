"""Compute the days that changed facts made stale, and put every punch of them in its place.

Only stale dates are computed, from all punches around them, so late facts change exactly the days that they
touch. People whose record or home site has not arrived yet have no zone: their punches wait, and are placed
when the directory learns. People are computed in rounds, each while the server writes what came before it and
reads what comes next.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from typing import TypeVar
from zoneinfo import ZoneInfo

from attendance_projector.domain.absence import Knowledge, cut_at
from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import Correction, CorrectionsInForce, corrections_in_force
from attendance_projector.domain.facts import Punch, PunchId
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import instants_of
from attendance_projector.domain.touched import date_touched_by_punch, expected_dates
from attendance_projector.projection.periods.keep_locked_days import Computed, keep_locked_days
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.rule_inputs import CORRECTION, as_correction, as_punch
from attendance_projector.projection.stale_dates import (
    FARTHEST_DAY,
    Change,
    PunchChanged,
    needs_extent,
    not_final,
    stale_dates,
)
from attendance_projector.projection.stored import (
    AcceptedPunch,
    KnownPerson,
    PersonDates,
    PersonDay,
    PersonInstants,
    Place,
    StoredPunch,
)

T = TypeVar("T")

# A round holds every punch of its people around the stale dates in memory; three rounds are on their way.
PEOPLE_PER_ROUND = 1000
REVIEW = Place("REVIEW")
WAITING = Place("WAITING")
NOTHING_PLANNED = Schedule(zone=ZoneInfo("UTC"))


# While days are computed, what is to be written is sent to the server after so many people.
PEOPLE_AT_ONCE = 50
# An accepted punch, and as the rules read it.
NewPunch = tuple[AcceptedPunch, Punch]
# Stores something in the transaction.
Write = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the days of one person are computed from."""

    person_id: str
    person: KnownPerson | None
    spans: Sequence[tuple[date, date]]
    stored: Sequence[StoredPunch]
    new: Sequence[NewPunch]
    corrections: Sequence[Correction]
    known: Knowledge
    final_before: date | None

    @property
    def schedule(self) -> Schedule:
        """The person's schedule, or one that plans nothing while the zone is not known."""
        return _schedule(self.person)


@dataclass(slots=True)
class _Round:
    """What comes out for a group of people."""

    people: dict[str, KnownPerson] = field(default_factory=dict)
    spans: list[PersonDates] = field(default_factory=list)
    days: list[PersonDay] = field(default_factory=list)
    moves: list[tuple[StoredPunch, Place]] = field(default_factory=list)
    new: list[tuple[AcceptedPunch, Place]] = field(default_factory=list)


async def _nothing() -> None:
    """Write nothing."""


async def recompute_days(
    transaction: Transaction,
    changes: Mapping[str, Sequence[Change]],
    added: Sequence[AcceptedPunch],
    write: Write = _nothing,
) -> int:
    """Recompute what the changes, by person, make stale; store the added punches; return the days computed.

    The transaction holds the locks of these people. `write` stores what nothing here reads.
    """
    new_by_person: dict[str, list[NewPunch]] = defaultdict(list)
    all_changes: dict[str, list[Change]] = defaultdict(list)
    for person_id, of_person in changes.items():
        all_changes[person_id].extend(of_person)
    for accepted in added:
        punch = as_punch(accepted.punch_id, accepted.occurred_at, accepted.direction, accepted.method)
        new_by_person[accepted.person_id].append((accepted, punch))
        all_changes[accepted.person_id].append(PunchChanged(punch))
    rounds = _rounds(sorted(all_changes))

    async def read_next() -> list[_Facts] | None:
        # People of another round: nothing that waits to be written is among what is read.
        of_round = {each: all_changes[each] for each in next(rounds, ())}
        return await _read_round(transaction, of_round, new_by_person) if of_round else None

    count, facts = 0, await read_next()
    while facts is not None:
        result, facts = await _beside(_compute_round(facts), _in_turn(write, read_next))
        write = partial(_write_round, transaction, result)
        count += len(result.days)
    await write()
    return count


async def _in_turn(write: Write, read: Callable[[], Awaitable[T]]) -> T:
    await write()
    return await read()


async def _beside(
    computing: Coroutine[None, None, _Round], serving: Coroutine[None, None, T]
) -> tuple[_Round, T]:
    """Compute while the server works; when both are done, or one failed, the transaction is free again."""
    served = asyncio.ensure_future(serving)
    try:
        result = await computing
    finally:
        found = await served
    return result, found


async def _write_round(transaction: Transaction, result: _Round) -> None:
    computed = Computed(result.spans, result.days)
    to_store = await keep_locked_days(transaction.periods, result.people, computed)
    await transaction.days.replace(to_store.spans, to_store.days)
    await transaction.days.move_punches(result.moves)
    await transaction.captures.store_punches(result.new)


def _rounds(person_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(person_ids), PEOPLE_PER_ROUND):
        yield person_ids[start : start + PEOPLE_PER_ROUND]


async def _compute_round(people: Sequence[_Facts]) -> _Round:
    result = _Round()
    for number, facts in enumerate(people, start=1):
        _place(result, facts)
        if number % PEOPLE_AT_ONCE == 0:
            await asyncio.sleep(0)
    return result


async def _read_round(
    transaction: Transaction,
    changes: Mapping[str, Sequence[Change]],
    new_by_person: Mapping[str, Sequence[NewPunch]],
) -> list[_Facts]:
    people = await transaction.directory.people(changes)
    bounded = {person_id for person_id, of_person in changes.items() if needs_extent(of_person)}
    extents = await transaction.days.extents(bounded)
    as_of = await transaction.absence.as_of()
    reported_until = await transaction.absence.reported_until()
    final_before = (await transaction.retention.read()).final_before
    stale: dict[str, list[tuple[date, date]]] = {}
    for person_id, of_person in changes.items():
        schedule = _schedule(people.get(person_id))
        extent = None
        if person_id in bounded:
            new = [punch.occurred_at for _, punch in new_by_person.get(person_id, ())]
            extent = _widened(extents.get(person_id), new, expected_dates(schedule, as_of))
        stale[person_id] = not_final(stale_dates(of_person, schedule, extent), final_before)
    stored = await _punches_around(transaction, stale, people, final_before)
    corrections: dict[str, list[Correction]] = defaultdict(list)
    for row in (await transaction.corrections.of_people(changes)).values():
        corrections[row.person_id].append(as_correction(row))
    known_at = {site_id: Knowledge(as_of, until) for site_id, until in reported_until.items()}
    elsewhere = Knowledge(as_of)
    facts = []
    for person_id, spans in stale.items():
        person = people.get(person_id)
        known = elsewhere if person is None else known_at.get(person.home_site_id, elsewhere)
        punches = (stored.get(person_id, ()), new_by_person.get(person_id, ()))
        corrected = corrections.get(person_id, ())
        facts.append(_Facts(person_id, person, spans, *punches, corrected, known, final_before))
    return facts


def _widened(
    extent: PersonDates | None, new: Sequence[datetime], expected: tuple[date, date] | None
) -> tuple[date, date] | None:
    dates = [] if extent is None else [extent.first_on, extent.last_on]
    dates += [] if expected is None else expected
    for at in new:
        dates += [(at.astimezone(UTC) + reach).date() for reach in (-FARTHEST_DAY, FARTHEST_DAY)]
    return (min(dates), max(dates)) if dates else None


def _schedule(person: KnownPerson | None) -> Schedule:
    return NOTHING_PLANNED if person is None or person.schedule is None else person.schedule


async def _punches_around(
    transaction: Transaction,
    stale: Mapping[str, Sequence[tuple[date, date]]],
    people: Mapping[str, KnownPerson],
    final_before: date | None,
) -> Mapping[str, list[StoredPunch]]:
    wanted = []
    for person_id, spans in stale.items():
        schedule = _schedule(people.get(person_id))
        wanted += _apart([PersonInstants(person_id, *instants_of(schedule, *span)) for span in spans])
    found: dict[str, list[StoredPunch]] = defaultdict(list)
    for punch in await transaction.days.punches(wanted):
        if final_before is None or not _is_final(punch, final_before):
            found[punch.person_id].append(punch)
    return found


def _is_final(punch: StoredPunch, final_before: date) -> bool:
    """Say whether a punch has its place for ever: on a final day, or beside it."""
    on = punch.place.placed_on or punch.punch.occurred_at.astimezone(UTC).date()
    return on < final_before


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


def _place(result: _Round, facts: _Facts) -> None:
    schedule, in_force = facts.schedule, corrections_in_force(facts.corrections)
    not_on_a_day = WAITING if schedule is NOTHING_PLANNED else REVIEW
    all_punches = [*(each.punch for each in facts.stored), *(punch for _, punch in facts.new)]
    # Added punches come with their corrections, and only while these are in force.
    punches = [punch for punch in all_punches if punch.method != CORRECTION]
    places: dict[PunchId, Place] = {}
    if facts.person is not None:
        result.people[facts.person_id] = facts.person
    for first_on, last_on in facts.spans:
        result.spans.append(PersonDates(facts.person_id, first_on, last_on))
    for first_on, last_on, known in _parts(facts):
        computed = attendance(
            punches, schedule, first_on, last_on, corrections=facts.corrections, known=known
        )
        for ownership in computed.unscheduled:
            places[ownership.punch.punch_id] = not_on_a_day
        for day in computed.days:
            place = Place("DAY", day.attendance_on, day.shift_id)
            places.update(dict.fromkeys((*day.punches, *day.evidence), place))
            if facts.person is not None and schedule is not NOTHING_PLANNED:
                result.days.append(PersonDay(facts.person, day))
    if facts.corrections:
        for punch in all_punches:
            if _is_voided(punch, in_force):
                places[punch.punch_id] = Place("VOIDED", date_touched_by_punch(punch, schedule))
    for each in facts.stored:
        place = places.get(each.punch.punch_id) or _elsewhere(each.place, facts)
        if place != each.place:
            result.moves.append((each, place))
    # A new punch touches its own date, so it was placed above, unless a rebuild finds it on a final day.
    result.new += [(accepted, places.get(punch.punch_id, REVIEW)) for accepted, punch in facts.new]


def _elsewhere(place: Place, facts: _Facts) -> Place:
    """Return the place of a punch that no computed day owns: as it was, since its day was not computed.

    If it was, the day that would own the punch now is final and counts nothing more: it is for review.
    """
    on = place.placed_on
    if facts.final_before is None or on is None or place.placement != "DAY":
        return place
    return REVIEW if any(first_on <= on <= last_on for first_on, last_on in facts.spans) else place


def _parts(facts: _Facts) -> Iterator[tuple[date, date, Knowledge | None]]:
    """Cut the stale spans at the date that time has come to."""
    as_of, person = facts.known.as_of, facts.person
    for first_on, last_on in facts.spans:
        if as_of is None or person is None or person.schedule is None:
            yield first_on, last_on, None
            continue
        horizon = as_of.astimezone(person.schedule.zone).date()
        yield from cut_at(first_on, last_on, horizon, facts.known)


def _is_voided(punch: Punch, in_force: CorrectionsInForce) -> bool:
    added_no_more = punch.method == CORRECTION and punch.punch_id not in in_force.additions
    return punch.punch_id in in_force.voids or added_no_more
