"""Days that a switch or a rollback changed: found by the server, which keeps them beside the connection."""

from collections.abc import Sequence
from datetime import date, timedelta

from attendance_projector.errors import RebuildRefused
from attendance_projector.projection.adapters.columns import side_by_side
from attendance_projector.projection.adapters.postgres_change_feed import state_of, telling
from attendance_projector.projection.adapters.postgres_positions import PostgresPositions
from attendance_projector.projection.stored import PersonKey
from attendance_projector.rebuild.adapters.postgres_schemas import PostgresSchemas
from attendance_projector.rebuild.ports import LIVE, PREVIOUS
from attendance_projector.store.migrate import revision_of
from attendance_projector.store.sql import statements

LONGEST_MONTH = timedelta(days=31)
SQL = statements("differing_days")
NAMES = {"live": LIVE, "previous": PREVIOUS, "day": state_of("new"), "before": state_of("old")}
TELL_DAYS = telling(SQL["differing_days"].format(**NAMES))


class PostgresDifferingDays:
    """`DifferingDays` on the connection of a rebuild."""

    def __init__(self, schemas: PostgresSchemas) -> None:
        self._schemas = schemas
        self._connection = schemas.connection

    async def find(self) -> int:
        """Compare all days; return of how many people and months some differ. Raises RebuildRefused."""
        connection = self._connection
        found = None
        if await self._schemas.exists(PREVIOUS):
            found = await revision_of(connection, PREVIOUS)
        if found is None or found != await revision_of(connection):
            raise RebuildRefused(f"there are no tables of this version in {PREVIOUS} to compare with")
        kept = [(await self._schemas.retention(each)).days_from for each in (LIVE, PREVIOUS)]
        since = max((each for each in kept if each is not None), default=None)
        await connection.execute(SQL["make_differing"])
        await connection.execute(SQL["find_differing"].format(**NAMES), since)
        return int(await connection.fetchval(SQL["count_differing"]))

    async def of_some_people(self, limit: int) -> Sequence[tuple[date, list[PersonKey]]]:
        """Return so many people at most, by month; nothing when all are told."""
        rows = await self._connection.fetch(SQL["next_differing"], limit)
        return [(month, list(map(PersonKey, org_ids, person_ids))) for month, org_ids, person_ids in rows]

    async def tell(self, month: date, people: list[PersonKey]) -> int:
        """Tell the days of these people in a month, once and for all; return how many."""
        last_on = (month + LONGEST_MONTH).replace(day=1) - timedelta(days=1)
        async with self._connection.transaction():
            await self._connection.execute(f"SET LOCAL search_path TO {LIVE}, pg_temp")
            await self._connection.execute(statements("positions")["share_switch"])
            positions = PostgresPositions(self._connection)
            await positions.join_everyone({each.org_id for each in people})
            await positions.lock_people(people)
            columns = side_by_side(people)
            told = await self._connection.execute(TELL_DAYS, *columns, month, last_on)
            await self._connection.execute(SQL["forget_differing"], month, *columns)
        return int(told.split()[-1])

    async def waiting(self, limit: int) -> tuple[int, int | None]:
        """Return how many events wait to be published, counted to the limit, and which has waited longest."""
        ((count, oldest),) = await self._connection.fetch(SQL["waiting"].format(live=LIVE), limit)
        return count, oldest
