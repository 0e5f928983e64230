"""Which months are kept, in PostgreSQL; `retention/` decides it and drops the others."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import asyncpg

from attendance_projector.domain.retention import Retention
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements

SQL = statements("retention")


async def read_retention(connection: Connection) -> Retention:
    """Return what is kept, by the tables of the connection's schema."""
    return retention_of_rows(await connection.fetch(SQL["read"]))


def retention_of_rows(rows: Sequence[asyncpg.Record]) -> Retention:
    """Return what rows of `partitioned_table` say."""
    return Retention(**{f"{row['kept_with']}_from": row["kept_from"] for row in rows})


class PostgresRetention:
    """`RetentionOf` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: Retention | None = None

    async def read(self) -> Retention:
        """Return what is kept; who changes it waits for this transaction."""
        if self._known is None:
            rows = await self._connection.fetch(SQL["read_with_beginning"])
            self._known = replace(retention_of_rows(rows), earliest_on=rows[0]["earliest_on"])
        return self._known


async def begin_at(connection: Connection, earliest_on: date) -> None:
    """Let the read model begin at this date; who computes days waits, where it began at another."""
    positions = statements("positions")
    await connection.execute(positions["share_switch"])
    if await connection.fetchval(SQL["beginning"]) != earliest_on:
        await connection.execute(positions["lock_everyone"])
        await connection.execute(SQL["begin_at"], earliest_on)
