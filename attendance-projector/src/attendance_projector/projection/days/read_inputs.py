"""Read what days are computed from: people's plans, the punches around stale dates, corrections."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from attendance_projector.domain.absence import Knowledge
from attendance_projector.domain.corrections import Correction
from attendance_projector.domain.facts import Punch
from attendance_projector.domain.schedule import Schedule
from attendance_projector.domain.shift_windows import instants_of
from attendance_projector.domain.touched import expected_dates
from attendance_projector.projection.days.rule_inputs import as_correction
from attendance_projector.projection.days.stale_dates import (
    FARTHEST_DAY,
    Change,
    computed,
    needs_extent,
    stale_dates,
)
from attendance_projector.projection.ports import Transaction
from attendance_projector.projection.stored import (
    AcceptedPunch,
    KnownPerson,
    PersonDates,
    PersonInstants,
    PersonKey,
    StoredPunch,
)

NOTHING_PLANNED = Schedule(zone=ZoneInfo("UTC"))
# An accepted punch, and as the rules read it.
NewPunch = tuple[AcceptedPunch, Punch]


@dataclass(frozen=True, slots=True)
class DayInputs:
    """What the days of one person are computed from."""

    key: PersonKey
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


async def read_inputs(
    transaction: Transaction,
    changes: Mapping[PersonKey, Sequence[Change]],
    new_by_person: Mapping[PersonKey, Sequence[NewPunch]],
) -> list[DayInputs]:
    """Read what the days of these people, by whose changes they are stale, are computed from."""
    people = await transaction.directory.people(changes)
    new_at = {key: [punch.occurred_at for _, punch in of_person] for key, of_person in new_by_person.items()}
    stale = await stale_of_people(transaction, changes, people, new_at)
    as_of = await transaction.absence.as_of()
    homes = {(key.org_id, person.home_site_id) for key, person in people.items()}
    reported_until = await transaction.absence.reported_until(homes)
    final_before = (await transaction.retention.read()).final_before
    stored = await _punches_around(transaction, stale, people, final_before)
    corrections: dict[PersonKey, list[Correction]] = defaultdict(list)
    for row in (await transaction.corrections.of_people(changes)).values():
        corrections[row.person].append(as_correction(row))
    known_at = {site: Knowledge(as_of, until) for site, until in reported_until.items()}
    elsewhere = Knowledge(as_of)
    facts = []
    for key, spans in stale.items():
        person = people.get(key)
        known = elsewhere if person is None else known_at.get((key.org_id, person.home_site_id), elsewhere)
        punches = (stored.get(key, ()), new_by_person.get(key, ()))
        corrected = corrections.get(key, ())
        facts.append(DayInputs(key, person, spans, *punches, corrected, known, final_before))
    return facts


async def stale_of_people(
    transaction: Transaction,
    changes: Mapping[PersonKey, Sequence[Change]],
    people: Mapping[PersonKey, KnownPerson] | None = None,
    new_at: Mapping[PersonKey, Sequence[datetime]] | None = None,
) -> dict[PersonKey, list[tuple[date, date]]]:
    """Return the dates to compute again, by person; `new_at`: the instants of punches that are not stored."""
    if people is None:
        people = await transaction.directory.people(changes)
    bounded = {key for key, of_person in changes.items() if needs_extent(of_person)}
    extents = await transaction.days.extents(bounded)
    as_of = await transaction.absence.as_of() if bounded else None
    retention = await transaction.retention.read()
    stale = {}
    for key, of_person in changes.items():
        schedule, extent = _schedule(people.get(key)), None
        if key in bounded:
            new = (new_at or {}).get(key, ())
            extent = _widened(extents.get(key), new, expected_dates(schedule, as_of))
        stale[key] = computed(stale_dates(of_person, schedule, extent), retention.computed_from)
    return stale


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
    stale: Mapping[PersonKey, Sequence[tuple[date, date]]],
    people: Mapping[PersonKey, KnownPerson],
    final_before: date | None,
) -> Mapping[PersonKey, list[StoredPunch]]:
    wanted = []
    for key, spans in stale.items():
        schedule = _schedule(people.get(key))
        wanted += _apart([PersonInstants(key, *instants_of(schedule, *span)) for span in spans])
    found: dict[PersonKey, list[StoredPunch]] = defaultdict(list)
    for punch in await transaction.days.punches(wanted):
        if final_before is None or not _is_final(punch, final_before):
            found[punch.person].append(punch)
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
            joined[-1] = PersonInstants(span.person, joined[-1].first_at, last_at)
        else:
            joined.append(span)
    return joined
