"""Compute days, and the one place of every punch around them."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from attendance_projector.domain.absence import Knowledge, cut_at
from attendance_projector.domain.attendance import attendance
from attendance_projector.domain.corrections import CorrectionsInForce, corrections_in_force
from attendance_projector.domain.facts import Punch, PunchId
from attendance_projector.domain.touched import date_touched_by_punch
from attendance_projector.projection.days.read_inputs import NOTHING_PLANNED, DayInputs
from attendance_projector.projection.days.rule_inputs import CORRECTION
from attendance_projector.projection.stored import (
    AcceptedPunch,
    KnownPerson,
    PersonDates,
    PersonDay,
    PersonKey,
    Place,
    StoredPunch,
)

REVIEW = Place("REVIEW")
WAITING = Place("WAITING")
# While days are computed, what is to be written is sent to the server after so many people.
PEOPLE_AT_ONCE = 50


@dataclass(slots=True)
class ComputedDays:
    """What comes out for a group of people."""

    people: dict[PersonKey, KnownPerson] = field(default_factory=dict)
    spans: list[PersonDates] = field(default_factory=list)
    days: list[PersonDay] = field(default_factory=list)
    moves: list[tuple[StoredPunch, Place]] = field(default_factory=list)
    new: list[tuple[AcceptedPunch, Place]] = field(default_factory=list)


async def compute_days(people: Sequence[DayInputs]) -> ComputedDays:
    """Compute the stale days of these people; other tasks run now and then."""
    result = ComputedDays()
    for number, inputs in enumerate(people, start=1):
        _place(result, inputs)
        if number % PEOPLE_AT_ONCE == 0:
            await asyncio.sleep(0)
    return result


def _place(result: ComputedDays, inputs: DayInputs) -> None:
    schedule, in_force = inputs.schedule, corrections_in_force(inputs.corrections)
    not_on_a_day = WAITING if schedule is NOTHING_PLANNED else REVIEW
    all_punches = [*(each.punch for each in inputs.stored), *(punch for _, punch in inputs.new)]
    # Added punches come with their corrections, and only while these are in force.
    punches = [punch for punch in all_punches if punch.method != CORRECTION]
    places: dict[PunchId, Place] = {}
    if inputs.person is not None:
        result.people[inputs.key] = inputs.person
    for first_on, last_on in inputs.spans:
        result.spans.append(PersonDates(inputs.key, first_on, last_on))
    for first_on, last_on, known in _parts(inputs):
        computed = attendance(
            punches, schedule, first_on, last_on, corrections=inputs.corrections, known=known
        )
        for ownership in computed.unscheduled:
            places[ownership.punch.punch_id] = not_on_a_day
        for day in computed.days:
            place = Place("DAY", day.attendance_on, day.shift_id)
            places.update(dict.fromkeys((*day.punches, *day.evidence), place))
            if inputs.person is not None and schedule is not NOTHING_PLANNED:
                result.days.append(PersonDay(inputs.person, day))
    if inputs.corrections:
        for punch in all_punches:
            if _is_voided(punch, in_force):
                places[punch.punch_id] = Place("VOIDED", date_touched_by_punch(punch, schedule))
    for each in inputs.stored:
        place = places.get(each.punch.punch_id) or _elsewhere(each.place, inputs)
        if place != each.place:
            result.moves.append((each, place))
    # A new punch touches its own date, so it was placed above, unless a rebuild finds it on a final day.
    result.new += [(accepted, places.get(punch.punch_id, REVIEW)) for accepted, punch in inputs.new]


def _elsewhere(place: Place, inputs: DayInputs) -> Place:
    """Return the place of a punch that no computed day owns: as it was, since its day was not computed.

    If it was, the day that would own the punch now is final and counts nothing more: it is for review.
    """
    on = place.placed_on
    if inputs.final_before is None or on is None or place.placement != "DAY":
        return place
    return REVIEW if any(first_on <= on <= last_on for first_on, last_on in inputs.spans) else place


def _parts(inputs: DayInputs) -> Iterator[tuple[date, date, Knowledge | None]]:
    """Cut the stale spans at the date that time has come to."""
    as_of, person = inputs.known.as_of, inputs.person
    for first_on, last_on in inputs.spans:
        if as_of is None or person is None or person.schedule is None:
            yield first_on, last_on, None
            continue
        horizon = as_of.astimezone(person.schedule.zone_at(as_of)).date()
        yield from cut_at(first_on, last_on, horizon, inputs.known)


def _is_voided(punch: Punch, in_force: CorrectionsInForce) -> bool:
    added_no_more = punch.method == CORRECTION and punch.punch_id not in in_force.additions
    return punch.punch_id in in_force.voids or added_no_more
