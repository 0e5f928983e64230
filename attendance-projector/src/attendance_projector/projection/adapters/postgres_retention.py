"""Retention in PostgreSQL: which months are kept, read in each transaction, and the dropping of the others.

`DETACH PARTITION ... CONCURRENTLY` waits for whoever reads the month and blocks nobody; what is detached is
seen by nobody any more. Only one command does it, and never beside a rebuild: it holds the rebuild's lock.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date

import asyncpg

from attendance_projector.domain.retention import Retention
from attendance_projector.errors import RetentionRefused
from attendance_projector.store.connection import Connection
from attendance_projector.store.migrate import SCHEMA, check_migrated
from attendance_projector.store.postgres_errors import naming_outages
from attendance_projector.store.sql import statements

SQL = statements("retention")
ARCHIVE = f"{SCHEMA}_archive"
FIELDS = {"capture": "captures_from", "punch": "punches_from", "attendance_day": "days_from"}


@dataclass(frozen=True, slots=True)
class Month:
    """A month of a table. `is_pending`: its detaching was begun and not ended."""

    parent: str
    child: str
    month: date
    is_attached: bool
    is_pending: bool
    row_estimate: int
    bytes: int


async def read_retention(connection: Connection) -> Retention:
    """Return what is kept, by the tables of the connection's schema."""
    return retention_of_rows(await connection.fetch(SQL["read"]))


def retention_of_rows(rows: Sequence[asyncpg.Record]) -> Retention:
    """Return what rows of `retention` say."""
    return Retention(**{FIELDS[row["table_name"]]: row["kept_from"] for row in rows})


class PostgresRetention:
    """`RetentionOf` within one transaction."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: Retention | None = None

    async def read(self) -> Retention:
        """Return what is kept; who changes it waits for this transaction."""
        if self._known is None:
            self._known = await read_retention(self._connection)
        return self._known


class RetentionTables:
    """The tables as the command sees them; one connection, nothing open between calls."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def retention(self) -> Retention:
        """Return what is kept so far."""
        return await read_retention(self._connection)

    async def open_from(self, final_before: date | None) -> date | None:
        """Return the first date that payroll has not closed everywhere; None where nobody closes periods.

        final_before: earlier dates are past closing; None: none are.
        """
        found: date | None = await self._connection.fetchval(SQL["open_from"], final_before)
        return found

    async def months(self, retention: Retention) -> Sequence[Month]:
        """Return the months that are not to be kept, oldest first, also detached ones that were left."""
        rows = await self._connection.fetch(SQL["partitions"], SCHEMA)
        months = [Month(*row) for row in rows]
        firsts = {parent: getattr(retention, field) for parent, field in FIELDS.items()}
        return [each for each in months if (kept := firsts[each.parent]) is not None and each.month < kept]

    async def move(self, wanted: Callable[[], Awaitable[Retention]]) -> tuple[Retention, int]:
        """Keep what is wanted, from now on; return it, and how many badge punches will never count.

        Waits for all who compute days, then asks what is wanted: no period is opened again meanwhile.
        Afterwards nobody writes into older months, or makes them again.
        """
        async with self._connection.transaction():
            await self._connection.execute(statements("positions")["share_switch"])
            await self._connection.execute(statements("positions")["lock_everyone"])
            await self._connection.execute(SQL["lock_partitions"])
            retention = await wanted()
            for parent, field in FIELDS.items():
                if (kept := getattr(retention, field)) is not None:
                    await self._connection.execute(SQL["keep_from"], parent, kept)
            if retention.facts_from is None:
                return retention, 0
            await self._connection.execute(SQL["decide_adjustments"], retention.final_before)
            return retention, int(
                await self._connection.fetchval(SQL["forget_pending"], retention.facts_from)
            )

    async def detach(self, month: Month) -> None:
        """Take a month out of its table without blocking readers; what was begun is ended."""
        if month.is_attached:
            how = "FINALIZE" if month.is_pending else "CONCURRENTLY"
            await self._connection.execute(
                f'ALTER TABLE {SCHEMA}."{month.parent}" DETACH PARTITION {SCHEMA}."{month.child}" {how}'
            )

    async def drop(self, month: Month) -> None:
        """Drop a detached month."""
        await self._connection.execute(f'DROP TABLE {SCHEMA}."{month.child}"')

    async def archive(self, month: Month) -> None:
        """Put a detached month into a schema of its own, which no service reads."""
        await self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {ARCHIVE}")
        await self._connection.execute(f'ALTER TABLE {SCHEMA}."{month.child}" SET SCHEMA {ARCHIVE}')


@asynccontextmanager
async def open_tables(url: str) -> AsyncIterator[RetentionTables]:
    """Connect as the only one. Raises RetentionRefused while a rebuild or another retention runs."""
    with naming_outages():
        connection = await asyncpg.connect(
            url,
            server_settings={
                "application_name": "attendance-projector retention",
                "search_path": f"{SCHEMA}, pg_temp",
                "timezone": "UTC",
            },
        )
    try:
        await check_migrated(connection)
        if not await connection.fetchval(statements("rebuild")["only_one"]):
            raise RetentionRefused(
                "a rebuild or another retention of this database is running; run it again when that has ended"
            )
        yield RetentionTables(connection)
    finally:
        connection.terminate()
