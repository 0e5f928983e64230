"""What the directory needs of the read model, by role."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attendance_projector.domain.facts import ShiftVersion
from attendance_projector.domain.schedule import Policy
from attendance_projector.projection.directory.rule_inputs import LeaveRow, PolicyRow
from attendance_projector.projection.stored import (
    EntryKey,
    EventOrTombstone,
    HolidayRow,
    Home,
    KnownPerson,
    PersonKey,
    RosterRow,
)


class Directory(Protocol):
    """Organisations, sites, devices, people, shifts and so on as last recorded."""

    async def store(self, events: Iterable[EventOrTombstone]) -> None:
        """Store what events say, and forget what has a tombstone; no two have the same key."""

    async def people(self, people: Iterable[PersonKey]) -> Mapping[PersonKey, KnownPerson]:
        """Return those of the people who are recorded, with all that their schedules take."""

    async def time_zones(self, sites: Iterable[EntryKey]) -> Mapping[EntryKey, str]:
        """Return the zones of those of the sites that are recorded."""

    async def rosters(self, entries: Iterable[EntryKey]) -> Mapping[EntryKey, RosterRow]:
        """Return those of the roster entries that are recorded."""

    async def shifts(self, shifts: Iterable[EntryKey]) -> Sequence[tuple[str, ShiftVersion]]:
        """Return all versions of these shifts, each with its organisation."""

    async def holidays(self, holidays: Iterable[EntryKey]) -> Mapping[EntryKey, HolidayRow]:
        """Return those of the holidays that are recorded."""

    async def leave(self, leaves: Iterable[EntryKey]) -> Mapping[EntryKey, LeaveRow]:
        """Return those of the leaves that are recorded."""

    async def policies(self, org_ids: Iterable[str]) -> Sequence[PolicyRow]:
        """Return all versions of all policies of these organisations."""

    async def default_policies(self, org_ids: Iterable[str]) -> Mapping[str, Policy]:
        """Return what the types of these organisations say where no policy is recorded."""

    async def homes(self, org_ids: Iterable[str]) -> Sequence[Home]:
        """Return the people of these organisations."""

    async def people_of_sites(self, sites: Iterable[EntryKey]) -> Sequence[PersonKey]:
        """Return the people whose home site is one of these."""

    async def people_of_shift(self, shift: EntryKey) -> Sequence[PersonKey]:
        """Return the people who have this shift by roster or by default."""
