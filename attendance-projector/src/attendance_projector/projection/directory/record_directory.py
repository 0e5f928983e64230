"""Record what the directory says and find out whose days that changes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import ShiftVersion
from attendance_projector.domain.schedule import Employment, Policy
from attendance_projector.projection.days.stale_dates import (
    Change,
    DatesChanged,
    EmploymentChanged,
    HomeAndShift,
    PersonChanged,
    PlanChanged,
    PoliciesChanged,
    RosterChanged,
    ShiftChanged,
)
from attendance_projector.projection.directory.ports import Directory
from attendance_projector.projection.directory.rule_inputs import LeaveRow, PolicyRow, policies_of_site
from attendance_projector.projection.stored import (
    EntryKey,
    EventOrTombstone,
    HolidayRow,
    KnownPerson,
    PersonKey,
    RosterRow,
    Tombstone,
)
from attendance_schemas.events import (
    Event,
    HolidayRecorded,
    LeaveRecorded,
    OrganisationRecorded,
    PersonRecorded,
    PolicyRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
)
from attendance_schemas.topics import DIRECTORY

Changes = dict[PersonKey, list[Change]]


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What the directory says about the things that some events name."""

    people: Mapping[PersonKey, KnownPerson]
    zones: Mapping[EntryKey, str]
    rosters: Mapping[EntryKey, RosterRow]
    versions: frozenset[tuple[str, ShiftVersion]]
    holidays: Mapping[EntryKey, HolidayRow]
    leave: Mapping[EntryKey, LeaveRow]
    policies: Sequence[PolicyRow]
    defaults: Mapping[str, Policy]


async def record_directory(directory: Directory, events: Sequence[EventOrTombstone]) -> Changes:
    """Store what the events say and return the changes that matter to days, by person.

    The transaction holds the lock on everyone. Of events with the same key the last one counts. An event that
    changes nothing that the rules read, such as a new name, touches nobody.
    """
    newest = {_key(event): event for event in events}
    named = list(newest.values())
    organisations = {
        org_id
        for event_type in (PolicyRecorded, OrganisationRecorded)
        for org_id, _ in _keys(named, event_type, "org_id")
    }
    before = await _snapshot(directory, named, organisations)
    await directory.store(named)
    after = await _snapshot(directory, named, organisations)
    changes: Changes = defaultdict(list)
    _add_people(changes, before, after)
    await _add_sites_and_shifts(changes, before, after, directory)
    _add_rosters_and_leave(changes, before, after)
    await _add_holidays(changes, before, after, directory)
    if before.policies != after.policies or before.defaults != after.defaults:
        await _add_policies(changes, before, after, directory, organisations)
    return dict(changes)


def _key(event: EventOrTombstone) -> bytes:
    return event.key if isinstance(event, Tombstone) else DIRECTORY.key_of(event)


def _keys(events: Iterable[EventOrTombstone], event_type: type[Event], field: str) -> set[EntryKey]:
    """Return the organisations and ids that events of this type name."""
    return {
        (event.fields["org_id"], event.fields[field])
        if isinstance(event, Tombstone)
        else (event.org_id, getattr(event, field))
        for event in events
        if isinstance(event, event_type)
        or (isinstance(event, Tombstone) and event.event_name == event_type.__name__)
    }


async def _snapshot(
    directory: Directory, events: Sequence[EventOrTombstone], organisations: set[str]
) -> _Snapshot:
    return _Snapshot(
        people=await directory.people(
            {PersonKey(*key) for key in _keys(events, PersonRecorded, "person_id")}
        ),
        zones=await directory.time_zones(_keys(events, SiteRecorded, "site_id")),
        rosters=await directory.rosters(_keys(events, RosterRecorded, "roster_id")),
        versions=frozenset(await directory.shifts(_keys(events, ShiftRecorded, "shift_id"))),
        holidays=await directory.holidays(_keys(events, HolidayRecorded, "holiday_id")),
        leave=await directory.leave(_keys(events, LeaveRecorded, "leave_id")),
        policies=await directory.policies(organisations),
        defaults=await directory.default_policies(organisations),
    )


def _add_people(changes: Changes, before: _Snapshot, after: _Snapshot) -> None:
    for key in before.people.keys() | after.people.keys():
        old, new = before.people.get(key), after.people.get(key)
        if old is None or new is None:
            changes[key].append(PersonChanged())
            continue
        plans, employments = (_plans(old), _plans(new)), (_employments(old), _employments(new))
        if plans[0] != plans[1]:
            changes[key].append(PlanChanged(*plans))
        if employments[0] != employments[1]:
            changes[key].append(EmploymentChanged(*employments))


def _plans(person: KnownPerson) -> Dated[HomeAndShift]:
    return person.terms.map(lambda terms: (terms.home_site_id, terms.default_shift_id))


def _employments(person: KnownPerson) -> Dated[Employment]:
    return person.terms.map(lambda terms: terms.employment)


async def _add_sites_and_shifts(
    changes: Changes, before: _Snapshot, after: _Snapshot, directory: Directory
) -> None:
    sites = before.zones.keys() | after.zones.keys()
    moved = [site for site in sites if before.zones.get(site) != after.zones.get(site)]
    for person in await directory.people_of_sites(moved):
        changes[person].append(PersonChanged())
    for org_id, version in before.versions ^ after.versions:
        for person in await directory.people_of_shift((org_id, version.shift_id)):
            changes[person].append(ShiftChanged(version))


def _add_rosters_and_leave(changes: Changes, before: _Snapshot, after: _Snapshot) -> None:
    for roster_id in before.rosters.keys() | after.rosters.keys():
        old, new = before.rosters.get(roster_id), after.rosters.get(roster_id)
        for row in (old, new):
            if row is not None and old != new:
                changes[row.person].append(RosterChanged(row.entry))
    for leave_id in before.leave.keys() | after.leave.keys():
        old_leave, new_leave = before.leave.get(leave_id), after.leave.get(leave_id)
        for leave in (old_leave, new_leave):
            if leave is not None and old_leave != new_leave:
                changes[leave.person].append(DatesChanged(leave.starts_on, leave.ends_on))


async def _add_holidays(changes: Changes, before: _Snapshot, after: _Snapshot, directory: Directory) -> None:
    ids = before.holidays.keys() | after.holidays.keys()
    changed = {
        row
        for holiday_id in ids
        for row in (before.holidays.get(holiday_id), after.holidays.get(holiday_id))
        if row is not None and before.holidays.get(holiday_id) != after.holidays.get(holiday_id)
    }
    for home in await directory.homes({row.org_id for row in changed}):
        for row in changed:
            if row.org_id == home.person.org_id and row.site_id in {None, home.home_site_id}:
                changes[home.person].append(DatesChanged(row.holiday_on, row.holiday_on))


async def _add_policies(
    changes: Changes, before: _Snapshot, after: _Snapshot, directory: Directory, organisations: set[str]
) -> None:
    by_site: dict[EntryKey, PoliciesChanged] = {}
    for home in await directory.homes(organisations):
        site = (home.person.org_id, home.home_site_id)
        if site not in by_site:
            by_site[site] = PoliciesChanged(
                *(
                    policies_of_site(each.policies, *site, each.defaults.get(home.person.org_id))
                    for each in (before, after)
                )
            )
        if by_site[site].before != by_site[site].after:
            changes[home.person].append(by_site[site])
