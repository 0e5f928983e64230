"""The directory in PostgreSQL. Its facts are few and change rarely: one statement for each event."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import asyncpg

from attendance_projector.adapters.connection import Connection
from attendance_projector.adapters.sql import statements
from attendance_projector.directory_facts import read_roster, read_rule, read_zone, rule_of
from attendance_projector.domain.facts import RosterEntry, ShiftId, ShiftVersion
from attendance_projector.domain.schedule import Schedule
from attendance_projector.ports import KnownPerson, RosterRow
from attendance_schemas.events import (
    DeviceRecorded,
    Event,
    OrganisationRecorded,
    PersonRecorded,
    RosterRecorded,
    ShiftRecorded,
    SiteRecorded,
)

SQL = statements("directory")

Row = tuple[object, ...]


class PostgresDirectory:
    """`Directory` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def store(self, events: Sequence[Event]) -> None:
        """Store directory events, in order."""
        rows: dict[str, list[Row]] = defaultdict(list)
        for event in events:
            statement, row_of = _STATEMENTS[type(event)]
            rows[statement].append(row_of(event))
        for statement, of_statement in rows.items():
            await self._connection.executemany(SQL[statement], of_statement)

    async def people(self, person_ids: Iterable[str]) -> Mapping[str, KnownPerson]:
        """Return those of the people who are recorded, with all shifts and roster entries of theirs."""
        rows = await self._fetch("people", person_ids)
        entries: dict[str, list[RosterEntry]] = defaultdict(list)
        for row in await self._fetch("rosters_of_people", [row["person_id"] for row in rows]):
            entries[row["person_id"]].append(_entry(row))
        wanted = {entry.shift_id for of_person in entries.values() for entry in of_person}
        wanted |= {ShiftId(row["default_shift_id"]) for row in rows if row["default_shift_id"] is not None}
        versions: dict[str, list[ShiftVersion]] = defaultdict(list)
        for version in await self.shifts(wanted):
            versions[version.shift_id].append(version)
        return {row["person_id"]: _person(row, entries[row["person_id"]], versions) for row in rows}

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
    return read_roster(row["shift_id"], row["starts_on"], row["ends_on"], row["weekdays"])


def _person(
    row: asyncpg.Record, entries: Sequence[RosterEntry], versions: Mapping[str, Sequence[ShiftVersion]]
) -> KnownPerson:
    default = row["default_shift_id"]
    schedule = None
    if row["time_zone"] is not None:
        shift_ids = {entry.shift_id for entry in entries} | ({default} if default else set())
        schedule = Schedule(
            zone=read_zone(row["time_zone"]),
            shifts=tuple(version for shift_id in sorted(shift_ids) for version in versions.get(shift_id, ())),
            roster=tuple(entries),
            default_shift=default,
        )
    return KnownPerson(row["person_id"], row["org_id"], row["home_site_id"], default, schedule)


def _organisation(event: OrganisationRecorded) -> Row:
    return event.org_id, event.name, event.time_zone


def _site(event: SiteRecorded) -> Row:
    return event.site_id, event.org_id, event.name, event.time_zone


def _device(event: DeviceRecorded) -> Row:
    return event.device_id, event.org_id, event.site_id, event.name, event.kind, event.revoked


def _person_row(event: PersonRecorded) -> Row:
    return (
        event.person_id,
        event.org_id,
        event.home_site_id,
        event.display_name,
        event.badge,
        event.joined_on,
        event.left_on,
        event.active,
        event.default_shift_id,
        event.recorded_at,
    )


def _shift(event: ShiftRecorded) -> Row:
    return event.shift_id, event.effective_on, event.org_id, event.name, rule_of(event).decode()


def _roster(event: RosterRecorded) -> Row:
    return (
        event.roster_id,
        event.org_id,
        event.person_id,
        event.shift_id,
        event.starts_on,
        event.ends_on,
        [day.value for day in event.weekdays],
    )


_STATEMENTS: Mapping[type[Event], tuple[str, Callable[[Any], Row]]] = {
    OrganisationRecorded: ("record_organisation", _organisation),
    SiteRecorded: ("record_site", _site),
    DeviceRecorded: ("record_device", _device),
    PersonRecorded: ("record_person", _person_row),
    ShiftRecorded: ("record_shift", _shift),
    RosterRecorded: ("record_roster", _roster),
}
