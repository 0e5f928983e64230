"""What the directory needs of the read model, by role."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from attendance_projector.domain.facts import ShiftVersion
from attendance_projector.domain.schedule import Policy
from attendance_projector.projection.directory.rule_inputs import LeaveRow, PolicyRow
from attendance_projector.projection.stored import EventOrTombstone, HolidayRow, Home, KnownPerson, RosterRow


class Directory(Protocol):
    """Organisations, sites, devices, people, shifts and so on as last recorded."""

    async def store(self, events: Iterable[EventOrTombstone]) -> None:
        """Store what events say, and forget what has a tombstone; no two have the same key."""

    async def people(self, person_ids: Iterable[str]) -> Mapping[str, KnownPerson]:
        """Return those of the people who are recorded, with all that their schedules take."""

    async def time_zones(self, site_ids: Iterable[str]) -> Mapping[str, str]:
        """Return the zones of those of the sites that are recorded."""

    async def rosters(self, roster_ids: Iterable[str]) -> Mapping[str, RosterRow]:
        """Return those of the roster entries that are recorded."""

    async def shifts(self, shift_ids: Iterable[str]) -> Sequence[ShiftVersion]:
        """Return all versions of these shifts."""

    async def holidays(self, holiday_ids: Iterable[str]) -> Mapping[str, HolidayRow]:
        """Return those of the holidays that are recorded."""

    async def leave(self, leave_ids: Iterable[str]) -> Mapping[str, LeaveRow]:
        """Return those of the leaves that are recorded."""

    async def organisations_of_policies(self, policy_ids: Iterable[str]) -> Sequence[str]:
        """Return the organisations that have versions of these policies."""

    async def policies(self, org_ids: Iterable[str]) -> Sequence[PolicyRow]:
        """Return all versions of all policies of these organisations."""

    async def default_policies(self, org_ids: Iterable[str]) -> Mapping[str, Policy]:
        """Return what the types of these organisations say where no policy is recorded."""

    async def homes(self, org_ids: Iterable[str]) -> Sequence[Home]:
        """Return the people of these organisations."""

    async def people_of_sites(self, site_ids: Iterable[str]) -> Sequence[str]:
        """Return the people whose home site is one of these."""

    async def people_of_shift(self, shift_id: str) -> Sequence[str]:
        """Return the people who have this shift by roster or by default."""
