"""How far time has come and sites have reported, in PostgreSQL."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from attendance_projector.projection.adapters.columns import as_row, names_of, side_by_side
from attendance_projector.projection.stored import DevicePoint, EntryKey, PersonDates, PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.insert_rows import insert_rows
from attendance_projector.store.sql import statements

SQL = statements("absence")
POINT_ROW = as_row(DevicePoint)
POINT_COLUMNS = names_of(DevicePoint)


class PostgresAbsence:
    """`Absence` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick."""
        as_of: datetime | None = await self._connection.fetchval(SQL["as_of"])
        return as_of

    async def reported_until(self, sites: Collection[EntryKey]) -> Mapping[EntryKey, datetime]:
        """Return until when every device of these sites has reported; those that have not are left out."""
        if not sites:
            return {}
        rows = await self._connection.fetch(SQL["reported_until"], *side_by_side(sites))
        return {(row["org_id"], row["site_id"]): row["reported_until"] for row in rows}

    async def store_points(self, points: Sequence[DevicePoint]) -> None:
        """Keep sequence numbers until the next tick."""
        if points:
            await insert_rows(self._connection, "device_point", map(POINT_ROW, points), POINT_COLUMNS)

    async def move_clock(self, as_of: datetime) -> None:
        """Move the clock and, with all numbers that have come, the watermarks of the sites."""
        await self._connection.execute(SQL["move_clock"], as_of)
        await self._connection.execute(SQL["fold_points"])
        await self._connection.execute(SQL["forget_points"])
        await self._connection.execute(SQL["move_watermarks"])

    async def undecided_days(self, as_of: datetime) -> Sequence[PersonDates]:
        """Return the days without a punch that are decided otherwise now."""
        rows = await self._connection.fetch(SQL["undecided_days"], as_of)
        return [PersonDates(PersonKey(org_id, person_id), on, on) for org_id, person_id, on in rows]

    async def zones(self) -> Sequence[str]:
        """Return the zones of all sites."""
        return [row["time_zone"] for row in await self._connection.fetch(SQL["zones"])]

    async def people_of_zones(self, zones: Iterable[str]) -> Sequence[tuple[PersonKey, str]]:
        """Return the people whose home site is in one of the zones, each with the zone."""
        rows = await self._connection.fetch(SQL["people_of_zones"], list(zones))
        return [(PersonKey(org_id, person_id), zone) for org_id, person_id, zone in rows]
