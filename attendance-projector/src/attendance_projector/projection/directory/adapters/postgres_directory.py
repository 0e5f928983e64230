"""The directory in PostgreSQL. Its entries are few and change rarely: one statement for each event."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from attendance_projector.domain.facts import RosterEntry, ShiftId, ShiftVersion
from attendance_projector.domain.schedule import Employment, Leave, LeavePart, Policy, Schedule
from attendance_projector.projection.directory.adapters.directory_rows import Row, statement_of
from attendance_projector.projection.directory.rule_inputs import (
    LeaveRow,
    PolicyRow,
    policies_of_site,
    read_default_policy,
    read_policy,
    read_roster,
    read_rule,
    read_zone,
)
from attendance_projector.projection.stored import EventOrTombstone, HolidayRow, Home, KnownPerson, RosterRow
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements

SQL = statements("directory")


@dataclass(frozen=True, slots=True)
class _Plans:
    """What the schedules of some people are made of."""

    entries: Mapping[str, Sequence[RosterEntry]]
    versions: Mapping[str, Sequence[ShiftVersion]]
    leave: Mapping[str, Sequence[Leave]]
    holidays: Sequence[HolidayRow]
    policies: Sequence[PolicyRow]
    defaults: Mapping[str, Policy]


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

    async def people(self, person_ids: Iterable[str]) -> Mapping[str, KnownPerson]:
        """Return those of the people who are recorded, with all that their schedules take."""
        rows = await self._fetch("people", person_ids)
        found = [row["person_id"] for row in rows]
        entries: dict[str, list[RosterEntry]] = defaultdict(list)
        for row in await self._fetch("rosters_of_people", found):
            entries[row["person_id"]].append(_entry(row))
        wanted = {entry.shift_id for of_person in entries.values() for entry in of_person}
        wanted |= {ShiftId(row["default_shift_id"]) for row in rows if row["default_shift_id"] is not None}
        versions: dict[str, list[ShiftVersion]] = defaultdict(list)
        for version in await self.shifts(wanted):
            versions[version.shift_id].append(version)
        leave: dict[str, list[Leave]] = defaultdict(list)
        for row in await self._fetch("leave_of_people", found):
            leave[row["person_id"]] += _leave(row).dates()
        organisations = {row["org_id"] for row in rows}
        holidays = [_holiday(row) for row in await self._fetch("holidays_of_organisations", organisations)]
        plans = _Plans(
            *(entries, versions, leave, holidays),
            policies=await self.policies(organisations),
            defaults=await self.default_policies(organisations),
        )
        return {row["person_id"]: _person(row, plans) for row in rows}

    async def time_zones(self, site_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the zones of those of the sites that are recorded."""
        rows = await self._fetch("time_zones_of_sites", site_ids)
        return {row["site_id"]: row["time_zone"] for row in rows}

    async def rosters(self, roster_ids: Iterable[str]) -> Mapping[str, RosterRow]:
        """Return those of the roster entries that are recorded."""
        rows = await self._fetch("roster_entries", roster_ids)
        return {row["roster_id"]: RosterRow(row["person_id"], _entry(row)) for row in rows}

    async def shifts(self, shift_ids: Iterable[str]) -> Sequence[ShiftVersion]:
        """Return all versions of these shifts."""
        rows = await self._fetch("shift_versions", shift_ids)
        return [read_rule(row["shift_id"], row["effective_on"], row["rule"]) for row in rows]

    async def holidays(self, holiday_ids: Iterable[str]) -> Mapping[str, HolidayRow]:
        """Return those of the holidays that are recorded."""
        return {row["holiday_id"]: _holiday(row) for row in await self._fetch("holidays", holiday_ids)}

    async def leave(self, leave_ids: Iterable[str]) -> Mapping[str, LeaveRow]:
        """Return those of the leaves that are recorded."""
        return {row["leave_id"]: _leave(row) for row in await self._fetch("leave", leave_ids)}

    async def organisations_of_policies(self, policy_ids: Iterable[str]) -> Sequence[str]:
        """Return the organisations that have versions of these policies."""
        return [row["org_id"] for row in await self._fetch("organisations_of_policies", policy_ids)]

    async def policies(self, org_ids: Iterable[str]) -> Sequence[PolicyRow]:
        """Return all versions of all policies of these organisations."""
        return [_policy(row) for row in await self._fetch("policies_of_organisations", org_ids)]

    async def default_policies(self, org_ids: Iterable[str]) -> Mapping[str, Policy]:
        """Return what the types of these organisations say where no policy is recorded."""
        rows = await self._fetch("default_policies", org_ids)
        return {
            row["org_id"]: read_default_policy(
                row["org_type"], row["default_policy"], row["default_policy_on"]
            )
            for row in rows
        }

    async def homes(self, org_ids: Iterable[str]) -> Sequence[Home]:
        """Return the people of these organisations."""
        return [Home(*row) for row in await self._fetch("homes", org_ids)]

    async def people_of_sites(self, site_ids: Iterable[str]) -> Sequence[str]:
        """Return the people whose home site is one of these."""
        return [row["person_id"] for row in await self._fetch("people_of_sites", site_ids)]

    async def people_of_shift(self, shift_id: str) -> Sequence[str]:
        """Return the people who have this shift by roster or by default."""
        rows = await self._connection.fetch(SQL["people_of_shift"], shift_id)
        return [row["person_id"] for row in rows]

    async def _fetch(self, statement: str, ids: Iterable[str]) -> Sequence[asyncpg.Record]:
        asked = list(ids)
        return await self._connection.fetch(SQL[statement], asked) if asked else []


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
    return LeaveRow(row["person_id"], row["starts_on"], row["ends_on"], LeavePart(row["part"].lower()))


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


def _person(row: asyncpg.Record, plans: _Plans) -> KnownPerson:
    person_id, org_id, home_site_id = row["person_id"], row["org_id"], row["home_site_id"]
    default = row["default_shift_id"]
    employment = Employment(row["joined_on"], row["left_on"], row["active"])
    entries = plans.entries.get(person_id, ())
    schedule = None
    if row["time_zone"] is not None:
        shift_ids = {entry.shift_id for entry in entries} | ({default} if default else set())
        versions = [version for shift_id in sorted(shift_ids) for version in plans.versions.get(shift_id, ())]
        holidays = [each for each in plans.holidays if each.org_id == org_id]
        schedule = Schedule(
            zone=read_zone(row["time_zone"]),
            shifts=tuple(versions),
            roster=tuple(entries),
            default_shift=default,
            holidays=frozenset(each.holiday_on for each in holidays if each.site_id in {None, home_site_id}),
            leave=frozenset(plans.leave.get(person_id, ())),
            employment=employment,
            policies=policies_of_site(plans.policies, org_id, home_site_id, plans.defaults.get(org_id)),
        )
    return KnownPerson(person_id, org_id, home_site_id, default, employment, schedule)
