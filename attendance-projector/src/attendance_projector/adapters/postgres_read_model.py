"""The read model in PostgreSQL: a pool, transactions tried again on conflict, monthly partitions."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

import asyncpg

from attendance_projector.adapters.connection import Connection
from attendance_projector.adapters.postgres_absence import PostgresAbsence
from attendance_projector.adapters.postgres_captures import PostgresCaptures
from attendance_projector.adapters.postgres_corrections import PostgresCorrections
from attendance_projector.adapters.postgres_days import PostgresDays
from attendance_projector.adapters.postgres_errors import CONFLICTS, DEPENDENCY, naming_outages
from attendance_projector.adapters.postgres_positions import PostgresPositions, read_positions
from attendance_projector.adapters.remembered_directory import DirectoryMemory, RememberedDirectory
from attendance_projector.adapters.sql import statements
from attendance_projector.migrate import SCHEMA, check_migrated
from attendance_projector.ports import Transaction
from attendance_projector.stale_dates import FARTHEST_DAY
from service_kit.errors import TransientFailure
from service_kit.records import TopicPartition

T = TypeVar("T")

# Conflicts are rare, since locks are taken in order; more than this is somebody else's long transaction.
ATTEMPTS = 5
# A statement that takes longer has lost its server.
STATEMENT_TIMEOUT = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class PostgresTransaction:
    """One transaction's tables."""

    positions: PostgresPositions
    absence: PostgresAbsence
    captures: PostgresCaptures
    corrections: PostgresCorrections
    directory: RememberedDirectory
    days: PostgresDays


class PostgresReadModel:
    """`ReadModel` over a pool; use `open_read_model`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._made: set[tuple[str, int, int]] = set()
        self._memory = DirectoryMemory()

    async def in_transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do the work in one transaction, again when another one was in its way."""
        last: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                with naming_outages():
                    async with self._pool.acquire() as connection, connection.transaction():
                        return await work(self._tables(connection))
            except CONFLICTS as conflict:
                last = conflict
        raise TransientFailure(DEPENDENCY, f"in conflict {ATTEMPTS} times, last with {last!r}") from last

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Make the partitions for facts of these UTC dates and for the days next to them.

        In a transaction of its own: whoever waits for the lock of the partitions holds no other.
        """
        facts, days = set(dates), set()
        for on in facts:
            days |= {on - FARTHEST_DAY, on, on + FARTHEST_DAY}
        wanted = {("fact", on.year, on.month) for on in facts} | {("day", on.year, on.month) for on in days}
        if wanted <= self._made:
            return
        with naming_outages():
            await self._pool.execute(
                statements("positions")["ensure_partitions"], sorted(facts), sorted(days)
            )
        self._made |= wanted

    async def ensure_months_ahead(self, today: date, months: int) -> None:
        """Make the partitions of this month and of the months ahead, so that no first record has to wait."""
        await self.ensure_months({today + timedelta(days=31 * number) for number in range(months + 1)})

    async def positions(self, partitions: Collection[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return where to go on; a partition that was never consumed is left out."""
        with naming_outages():
            async with self._pool.acquire() as connection:
                return await read_positions(connection, partitions)

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick."""
        return await self.in_transaction(lambda transaction: transaction.absence.as_of())

    async def check(self) -> None:
        """Return when the database answers; raise TransientFailure when not."""
        with naming_outages():
            await self._pool.execute("SELECT 1")

    def _tables(self, connection: Connection) -> PostgresTransaction:
        positions = PostgresPositions(connection)
        return PostgresTransaction(
            positions=positions,
            absence=PostgresAbsence(connection),
            captures=PostgresCaptures(connection),
            corrections=PostgresCorrections(connection),
            directory=RememberedDirectory(connection, positions, self._memory),
            days=PostgresDays(connection),
        )


@asynccontextmanager
async def open_read_model(url: str, *, connections: int = 4) -> AsyncIterator[PostgresReadModel]:
    """Connect to the migrated database. Raises ReadModelOutdated, or TransientFailure when it is away."""
    with naming_outages():
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=connections,
            init=_prepare,
            command_timeout=STATEMENT_TIMEOUT.total_seconds(),
            server_settings={"search_path": f"{SCHEMA}, pg_temp", "application_name": "attendance-projector"},
        )
    try:
        with naming_outages():
            await pool.execute("SELECT 1")
        yield PostgresReadModel(pool)
    finally:
        # Waiting for connections to be given back can last as long as an outage.
        pool.terminate()


async def _prepare(connection: Connection) -> None:
    await check_migrated(connection)
    await connection.execute(statements("staging")["create_staging"])
