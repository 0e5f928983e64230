"""Plays a standby that lagged when it was promoted: all tables stand as they did at an earlier instant."""

from contextlib import suppress
from typing import Any

import asyncpg

from local_stack.for_tests.databases import columns_of

LIVE_TABLES = """
    SELECT relname FROM pg_class
    WHERE relnamespace = 'attendance'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
        AND relname <> 'alembic_version'
    ORDER BY relname
"""


class LaggingStandby:
    """The tables as they stood when it was made; `promote` puts them back."""

    def __init__(self, connection: asyncpg.Connection, tables: list[str]) -> None:
        self._connection = connection
        self._tables = tables

    @classmethod
    async def of(cls, plant: Any) -> "LaggingStandby":
        """Copy the tables of a plant."""
        connection = plant.sql
        tables = [row["relname"] for row in await connection.fetch(LIVE_TABLES)]
        async with connection.transaction(isolation="repeatable_read"):
            for name in tables:
                await connection.execute(f"CREATE TEMP TABLE lagging_{name} AS TABLE {name}")
        return cls(connection, tables)

    async def promote(self) -> None:
        """Let everything that was committed since be gone."""
        while True:
            # A server that takes over knows no locks; here a projector may hold one of the first.
            with suppress(asyncpg.DeadlockDetectedError):
                return await self._promote()

    async def _promote(self) -> None:
        async with self._connection.transaction():
            await self._connection.execute(f"TRUNCATE {', '.join(self._tables)}")
            for name in self._tables:
                columns = ", ".join(await columns_of(self._connection, name))
                await self._connection.execute(
                    f"INSERT INTO {name} ({columns}) SELECT {columns} FROM lagging_{name}"  # noqa: S608
                )
