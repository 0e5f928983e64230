"""The months of the partitioned tables, and how one is taken away.

`DETACH PARTITION ... CONCURRENTLY` waits for those who read the month and blocks nobody; afterwards
nobody sees the month. Only one command does it, and never beside a rebuild: it holds the rebuild's lock.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import date

import asyncpg

from attendance_projector.domain.retention import Retention
from attendance_projector.errors import RetentionRefused
from attendance_projector.projection.adapters.postgres_retention import SQL, read_retention
from attendance_projector.retention.ports import Month
from attendance_projector.store.connection import Connection
from attendance_projector.store.migrate import check_migrated
from attendance_projector.store.postgres_errors import naming_outages
from attendance_projector.store.schema import SCHEMA
from attendance_projector.store.sql import statements

ARCHIVE = f"{SCHEMA}_archive"


class PostgresMonthlyTables:
    """`MonthlyTables` over one connection; use `open_monthly_tables`."""

    archive_name = ARCHIVE

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def retention(self) -> Retention:
        """Return what is kept so far."""
        return await read_retention(self._connection)

    async def open_from(self, final_before: date | None, before: date | None = None) -> date | None:
        """Return the first date that payroll has not closed everywhere; None where none is ever closed."""
        found: date | None = await self._connection.fetchval(SQL["open_from"], final_before, before)
        return found

    async def months(self, retention: Retention) -> Sequence[Month]:
        """Return the months that are not to be kept, oldest first, also detached ones that were left."""
        months = [Month(*row) for row in await self._connection.fetch(SQL["partitions"])]
        firsts = retention.firsts
        return [each for each in months if (kept := firsts[each.kept_with]) is not None and each.month < kept]

    async def move(self, wanted: Callable[[], Awaitable[Retention]]) -> tuple[Retention, int]:
        """Keep what is wanted, from now on; return it, and how many badge punches will never count."""
        async with self._connection.transaction():
            await self._connection.execute(statements("positions")["share_switch"])
            await self._connection.execute(statements("positions")["lock_everyone"])
            await self._connection.execute(SQL["lock_partitions"])
            retention = await wanted()
            await self._refuse_backlog(retention)
            for kept_with, kept in retention.firsts.items():
                if kept is not None:
                    await self._connection.execute(SQL["keep_from"], kept_with, kept)
            if retention.days_from is not None:
                await self._connection.execute(SQL["forget_open_days"], retention.days_from)
            if retention.facts_from is None:
                return retention, 0
            await self._connection.execute(SQL["decide_days"], retention.final_before)
            await self._connection.execute(SQL["decide_adjustments"], retention.final_before)
            return retention, int(
                await self._connection.fetchval(SQL["forget_pending"], retention.facts_from)
            )

    async def _refuse_backlog(self, retention: Retention) -> None:
        """Raise RetentionRefused while days wait to be computed that would be final as they are."""
        if await self._connection.fetchval(SQL["backlog_before"], retention.final_before):
            raise RetentionRefused(
                f"days before {retention.final_before} wait to be computed again (see the table stale_span); "
                "nothing was changed, run it again when the backlog is worked off"
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
async def open_monthly_tables(url: str) -> AsyncIterator[PostgresMonthlyTables]:
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
        yield PostgresMonthlyTables(connection)
    finally:
        connection.terminate()
