"""The directory in PostgreSQL. Its entries are few and change rarely: one statement for each event."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import asyncpg
import msgspec

from attendance_projector.domain.dated import Dated
from attendance_projector.domain.facts import RosterEntry, ShiftId, ShiftVersion
from attendance_projector.domain.schedule import Employment, Leave, LeavePart, Policy, Schedule
from attendance_projector.projection.adapters.columns import side_by_side
from attendance_projector.projection.directory.adapters.directory_rows import Row, statement_of
from attendance_projector.projection.directory.rule_inputs import (
    LeaveRow,
    PolicyRow,
    earlier_terms,
    policies_of_site,
    read_default_policy,
    read_policy,
    read_roster,
    read_rule,
    read_zone,
)
from attendance_projector.projection.stored import (
    EntryKey,
    EventOrTombstone,
    HolidayRow,
    Home,
    KnownPerson,
    PersonKey,
    RosterRow,
    Terms,
)
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import PersonTerms

SQL = statements("directory")


@dataclass(frozen=True, slots=True)
class _Plans:
    """What the schedules of some people are made of."""

    entries: Mapping[PersonKey, Sequence[RosterEntry]]
    versions: Mapping[EntryKey, Sequence[ShiftVersion]]
    leave: Mapping[PersonKey, Sequence[Leave]]
    holidays: Sequence[HolidayRow]
    policies: Sequence[PolicyRow]
    defaults: Mapping[str, Policy]
    former_zones: Mapping[EntryKey, str]


class PostgresDirectory:
    """`Directory` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def store(self, events: Iterable[EventOrTombstone]) -> None:
        """Store what events say, and forget what has a tombstone; no two have the same key."""
        rows: dict[str, list[Row]] = defaultdict(list)
        for event in events:
            statement, row = statement_of(event)
            rows[statement].append(row)
        for statement, of_statement in rows.items():
            await self._connection.executemany(SQL[statement], of_statement)

    async def people(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, KnownPerson]:
        """Return those of the people who are recorded, with all that their schedules take."""
        rows = await self._fetch("people", people)
        found = [_key(row) for row in rows]
        entries: dict[PersonKey, list[RosterEntry]] = defaultdict(list)
        for row in await self._fetch("rosters_of_people", found):
            entries[_key(row)].append(_entry(row))
        wanted: set[EntryKey] = {
            (key.org_id, entry.shift_id) for key, of_person in entries.items() for entry in of_person
        }
        terms = {key: _terms(row) for key, row in zip(found, rows, strict=True)}
        wanted |= {
            (key.org_id, each.default_shift_id)
            for key, of_person in terms.items()
            for each in of_person.all
            if each.default_shift_id is not None
        }
        former_homes = {
            (key.org_id, each.home_site_id)
            for key, of_person in terms.items()
            for _, each in of_person.earlier
        }
        versions: dict[EntryKey, list[ShiftVersion]] = defaultdict(list)
        for org_id, version in await self.shifts(wanted):
            versions[org_id, version.shift_id].append(version)
        leave: dict[PersonKey, list[Leave]] = defaultdict(list)
        for row in await self._fetch("leave_of_people", found):
            leave[_key(row)] += _leave(row).dates()
        organisations = {row["org_id"] for row in rows}
        holidays = [
            _holiday(row) for row in await self._of_organisations("holidays_of_organisations", organisations)
        ]
        plans = _Plans(
            *(entries, versions, leave, holidays),
            policies=await self.policies(organisations),
            defaults=await self.default_policies(organisations),
            former_zones=await self.time_zones(former_homes),
        )
        return {
            key: _person(key, terms[key], row["time_zone"], plans)
            for key, row in zip(found, rows, strict=True)
        }

    async def time_zones(self, sites: Iterable[EntryKey]) -> Mapping[EntryKey, str]:
        """Return the zones of those of the sites that are recorded."""
        rows = await self._fetch("time_zones_of_sites", sites)
        return {(row["org_id"], row["site_id"]): row["time_zone"] for row in rows}

    async def rosters(self, entries: Iterable[EntryKey]) -> Mapping[EntryKey, RosterRow]:
        """Return those of the roster entries that are recorded."""
        rows = await self._fetch("roster_entries", entries)
        return {(row["org_id"], row["roster_id"]): RosterRow(_key(row), _entry(row)) for row in rows}

    async def shifts(self, shifts: Iterable[EntryKey]) -> Sequence[tuple[str, ShiftVersion]]:
        """Return all versions of these shifts, each with its organisation."""
        rows = await self._fetch("shift_versions", shifts)
        return [(row["org_id"], read_rule(row["shift_id"], row["effective_on"], row["rule"])) for row in rows]

    async def holidays(self, holidays: Iterable[EntryKey]) -> Mapping[EntryKey, HolidayRow]:
        """Return those of the holidays that are recorded."""
        rows = await self._fetch("holidays", holidays)
        return {(row["org_id"], row["holiday_id"]): _holiday(row) for row in rows}

    async def leave(self, leaves: Iterable[EntryKey]) -> Mapping[EntryKey, LeaveRow]:
        """Return those of the leaves that are recorded."""
        rows = await self._fetch("leave", leaves)
        return {(row["org_id"], row["leave_id"]): _leave(row) for row in rows}

    async def policies(self, org_ids: Iterable[str]) -> Sequence[PolicyRow]:
        """Return all versions of all policies of these organisations."""
        return [_policy(row) for row in await self._of_organisations("policies_of_organisations", org_ids)]

    async def default_policies(self, org_ids: Iterable[str]) -> Mapping[str, Policy]:
        """Return what the types of these organisations say where no policy is recorded."""
        rows = await self._of_organisations("default_policies", org_ids)
        return {
            row["org_id"]: read_default_policy(
                row["org_type"], row["default_policy"], row["default_policy_on"]
            )
            for row in rows
        }

    async def homes(self, org_ids: Iterable[str]) -> Sequence[Home]:
        """Return the people of these organisations."""
        rows = await self._of_organisations("homes", org_ids)
        return [Home(_key(row), row["home_site_id"]) for row in rows]

    async def people_of_sites(self, sites: Iterable[EntryKey]) -> Sequence[PersonKey]:
        """Return the people whose home site is one of these."""
        return [_key(row) for row in await self._fetch("people_of_sites", sites)]

    async def people_of_shift(self, shift: EntryKey) -> Sequence[PersonKey]:
        """Return the people who have this shift by roster or by default."""
        return [_key(row) for row in await self._connection.fetch(SQL["people_of_shift"], *shift)]

    async def _fetch(self, statement: str, keys: Iterable[EntryKey]) -> Sequence[asyncpg.Record]:
        asked = side_by_side(keys)
        return await self._connection.fetch(SQL[statement], *asked) if asked else []

    async def _of_organisations(self, statement: str, org_ids: Iterable[str]) -> Sequence[asyncpg.Record]:
        asked = list(org_ids)
        return await self._connection.fetch(SQL[statement], asked) if asked else []


def _key(row: asyncpg.Record) -> PersonKey:
    return PersonKey(row["org_id"], row["person_id"])


def _entry(row: asyncpg.Record) -> RosterEntry:
    return read_roster(
        row["shift_id"],
        row["starts_on"],
        row["ends_on"],
        row["weekdays"],
        row["rotation_length"],
        row["rotation_days"],
    )


def _leave(row: asyncpg.Record) -> LeaveRow:
    return LeaveRow(_key(row), row["starts_on"], row["ends_on"], LeavePart(row["part"].lower()))


def _holiday(row: asyncpg.Record) -> HolidayRow:
    return HolidayRow(row["org_id"], row["site_id"], row["holiday_on"])


def _policy(row: asyncpg.Record) -> PolicyRow:
    version = read_policy(
        row["effective_on"],
        row["weekly_offs"],
        row["flexible_day_start"],
        row["expects_attendance"],
        row["policy_id"],
    )
    return PolicyRow(row["policy_id"], row["org_id"], row["site_id"], version)


def _terms(row: asyncpg.Record) -> Dated[Terms]:
    employment = Employment(row["joined_on"], row["left_on"], row["active"])
    now = Terms(row["home_site_id"], row["default_shift_id"], employment)
    earlier = msgspec.json.decode(row["earlier"], type=tuple[PersonTerms, ...])
    return Dated(now, tuple((each.replaced_on, earlier_terms(each)) for each in earlier))


def _person(key: PersonKey, terms: Dated[Terms], time_zone: str | None, plans: _Plans) -> KnownPerson:
    if time_zone is None:
        return KnownPerson(key, terms, None)
    entries = plans.entries.get(key, ())
    shift_ids = {entry.shift_id for entry in entries}
    shift_ids |= {ShiftId(each.default_shift_id) for each in terms.all if each.default_shift_id is not None}
    versions = [each for named in sorted(shift_ids) for each in plans.versions.get((key.org_id, named), ())]
    of_all_times = Schedule(
        zone=read_zone(time_zone),
        shifts=tuple(versions),
        roster=tuple(entries),
        leave=frozenset(plans.leave.get(key, ())),
    )

    def schedule_of(each: Terms) -> Schedule:
        home = (key.org_id, each.home_site_id)
        # Of a former home that is not recorded any more nobody knows the zone.
        zone = time_zone if each is terms.now else plans.former_zones.get(home, time_zone)
        holidays = [holiday for holiday in plans.holidays if holiday.org_id == key.org_id]
        default_shift = each.default_shift_id
        return replace(
            of_all_times,
            zone=read_zone(zone),
            default_shift=None if default_shift is None else ShiftId(default_shift),
            holidays=frozenset(
                holiday.holiday_on for holiday in holidays if holiday.site_id in {None, each.home_site_id}
            ),
            employment=each.employment,
            policies=policies_of_site(plans.policies, *home, plans.defaults.get(key.org_id)),
        )

    schedules = terms.map(schedule_of)
    return KnownPerson(key, terms, replace(schedules.now, earlier=schedules.earlier))
