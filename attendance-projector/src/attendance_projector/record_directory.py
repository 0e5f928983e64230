"""Record directory events and find out whose days they change."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from attendance_projector.domain.facts import ShiftVersion
from attendance_projector.ports import Directory, KnownPerson, RosterRow
from attendance_projector.stale_dates import Change, PersonChanged, RosterChanged, ShiftChanged
from attendance_schemas.events import Event, PersonRecorded, RosterRecorded, ShiftRecorded, SiteRecorded

Changes = dict[str, list[Change]]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the directory says about the things that some events name."""

    people: Mapping[str, KnownPerson]
    zones: Mapping[str, str]
    rosters: Mapping[str, RosterRow]
    versions: frozenset[ShiftVersion]


async def record_directory(directory: Directory, events: Sequence[Event]) -> Changes:
    """Store the events, in order, and return the changes that matter to days, by person.

    The transaction holds the lock on everyone. An event that changes nothing that the rules read, such as a
    new name, touches nobody.
    """
    before = await _snapshot(directory, events)
    await directory.store(events)
    after = await _snapshot(directory, events)
    changes: Changes = defaultdict(list)
    for person_id, person in after.people.items():
        if _planning(before.people.get(person_id)) != _planning(person):
            changes[person_id].append(PersonChanged())
    moved_sites = [site_id for site_id, zone in after.zones.items() if before.zones.get(site_id) != zone]
    for person_id in await directory.people_of_sites(moved_sites):
        changes[person_id].append(PersonChanged())
    for roster_id, new in after.rosters.items():
        old = before.rosters.get(roster_id)
        for row in (old, new):
            if row is not None and old != new:
                changes[row.person_id].append(RosterChanged(row.entry))
    for version in before.versions ^ after.versions:
        for person_id in await directory.people_of_shift(version.shift_id):
            changes[person_id].append(ShiftChanged(version))
    return dict(changes)


def _planning(person: KnownPerson | None) -> tuple[str, str, str | None] | None:
    return None if person is None else (person.org_id, person.home_site_id, person.default_shift_id)


async def _snapshot(directory: Directory, events: Sequence[Event]) -> _Snapshot:
    return _Snapshot(
        people=await directory.people(
            {each.person_id for each in events if isinstance(each, PersonRecorded)}
        ),
        zones=await directory.time_zones({each.site_id for each in events if isinstance(each, SiteRecorded)}),
        rosters=await directory.rosters(
            {each.roster_id for each in events if isinstance(each, RosterRecorded)}
        ),
        versions=frozenset(
            await directory.shifts({each.shift_id for each in events if isinstance(each, ShiftRecorded)})
        ),
    )
