"""The read model in PostgreSQL: a pool, transactions tried again on conflict, monthly partitions."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

import asyncpg

from attendance_projector.domain.retention import month_of
from attendance_projector.errors import ReadModelSwitched, Unstorable
from attendance_projector.projection.adapters.postgres_absence import PostgresAbsence
from attendance_projector.projection.adapters.postgres_captures import PostgresCaptures
from attendance_projector.projection.adapters.postgres_change_feed import (
    PostgresToldDays,
    PostgresToldPeriods,
)
from attendance_projector.projection.adapters.postgres_corrections import PostgresCorrections
from attendance_projector.projection.adapters.postgres_days import PostgresDays
from attendance_projector.projection.adapters.postgres_months import MonthsMissing, make_months
from attendance_projector.projection.adapters.postgres_outbox import NothingToTell, PostgresOutbox
from attendance_projector.projection.adapters.postgres_positions import (
    PostgresPositions,
    check_topics,
    read_positions,
)
from attendance_projector.projection.adapters.postgres_refused import PostgresRefusedFacts
from attendance_projector.projection.adapters.postgres_retention import PostgresRetention, begin_at
from attendance_projector.projection.backlog.adapters.postgres_backlog import PostgresBacklog
from attendance_projector.projection.directory.adapters.remembered_directory import (
    DirectoryMemory,
    RememberedDirectory,
)
from attendance_projector.projection.fates.adapters.postgres_fates import PostgresFates
from attendance_projector.projection.periods.adapters.postgres_periods import PostgresPeriods
from attendance_projector.projection.ports import Transaction
from attendance_projector.store.connection import Connection
from attendance_projector.store.migrate import check_migrated, check_revision
from attendance_projector.store.postgres_errors import CONFLICTS, DEPENDENCY, naming_outages
from attendance_projector.store.schema import SCHEMA
from attendance_projector.store.sql import statements
from service_kit.errors import TransientFailure
from service_kit.kafka.records import TopicPartition
from service_kit.kafka.topic_ids import TopicIdentity

T = TypeVar("T")

# Conflicts are rare, since locks are taken in order; more than this is a long transaction of another program.
ATTEMPTS = 5
# A statement that takes longer has lost its server.
STATEMENT_TIMEOUT = timedelta(minutes=2)
# Longer than any transaction of a projector holds a lock, and than a switch does; well under the above, so
# that a lock that somebody else holds is never taken for a server that is away.
LOCK_TIMEOUT = "30s"


@dataclass(frozen=True, slots=True)
class PostgresTransaction:
    """One transaction's tables."""

    positions: PostgresPositions
    absence: PostgresAbsence
    captures: PostgresCaptures
    corrections: PostgresCorrections
    refused: PostgresRefusedFacts
    directory: RememberedDirectory
    days: PostgresDays
    outbox: PostgresOutbox | NothingToTell
    periods: PostgresPeriods
    backlog: PostgresBacklog
    fates: PostgresFates
    retention: PostgresRetention
    is_live: bool = False


class PostgresReadModel:
    """`ReadModel` over a pool; use `open_read_model`."""

    _is_live = True
    _positions_of: type[PostgresPositions] = PostgresPositions
    _captures_of: type[PostgresCaptures] = PostgresCaptures
    _corrections_of: type[PostgresCorrections] = PostgresCorrections
    _days_of: type[PostgresDays] = PostgresToldDays
    _outbox_of: type[PostgresOutbox | NothingToTell] = PostgresOutbox
    _periods_of: type[PostgresPeriods] = PostgresToldPeriods
    _fates_of: type[PostgresFates] = PostgresFates

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        # Which tables this projector writes; None until it has asked for its positions in them.
        self._identity: int | None = None
        # The months of facts, as their first days.
        self._made: set[date] = set()
        self._memory = DirectoryMemory()
        self._beside: list[PostgresReadModel] = []

    def beside(self) -> "PostgresReadModel":
        """Return another view of the tables, for transactions at the same time: it remembers for itself."""
        self._beside = [type(self)(self._pool)]
        return self._beside[0]

    def forget(self) -> None:
        """Forget what was learned of the tables: another server may answer, which lacks what this one had."""
        self._made.clear()
        self._memory.forget()
        for each in self._beside:
            each.forget()

    async def waiting_spans(self) -> tuple[int, int, datetime | None]:
        """Return how many spans the backlog has, how many were refused, and since when the oldest waits."""
        with naming_outages():
            ((count, refused, since),) = await self._pool.fetch(statements("backlog")["waiting"])
            return count, refused, since

    async def in_transaction(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do the work in one transaction, again when another one was in its way, or months were missing."""
        return await self._on_one_connection(lambda connection: work(self._tables(connection)))

    async def _on_one_connection(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        last: Exception | None = None
        conflicts, missing = 0, frozenset[date]()
        while conflicts < ATTEMPTS:
            try:
                with naming_outages():
                    async with self._pool.acquire() as connection, connection.transaction():
                        if self._is_live:
                            await self._enter(connection)
                        return await work(connection)
            except CONFLICTS as conflict:
                conflicts, last = conflicts + 1, conflict
            except MonthsMissing as found:
                if found.months <= missing:
                    raise Unstorable(f"{found}, nor can there be any") from found
                missing |= found.months
                await self._make_months(days=found.months)
        detail = f"in conflict {ATTEMPTS} times, last with {last!r}"
        raise TransientFailure(DEPENDENCY, detail, is_contention=True) from last

    async def ensure_months(self, dates: Iterable[date]) -> None:
        """Make the partitions for facts of these UTC dates.

        In transactions of their own: one that waits for the lock of the partitions holds no other.
        """
        wanted = set(map(month_of, dates))
        if not wanted <= self._made:
            await self._make_months(facts=wanted)
            self._made |= wanted

    async def ensure_months_ahead(self, today: date, months: int) -> None:
        """Make the partitions of this month and of the months ahead, so that no first record has to wait."""
        ahead = {today + timedelta(days=31 * number) for number in range(months + 1)}
        await self._make_months(facts=ahead, days=ahead)

    async def _make_months(self, facts: Iterable[date] = (), days: Iterable[date] = ()) -> None:
        with naming_outages():
            async with self._pool.acquire() as connection:
                await make_months(connection, facts, days)

    async def begin_at(self, earliest_on: date) -> None:
        """Count nothing that is earlier than this date, from now on."""
        with naming_outages():
            async with self._pool.acquire() as connection, connection.transaction():
                await begin_at(connection, earliest_on)

    async def positions(
        self, partitions: Collection[TopicPartition], topics: Mapping[str, TopicIdentity] | None = None
    ) -> Mapping[TopicPartition, int]:
        """Return where to go on; a partition that was never consumed is left out.

        topics: what the topics are now. Raises TopicReplaced when one was another when it was consumed.
        """
        with naming_outages():
            async with self._pool.acquire() as connection, connection.transaction():
                if self._is_live:
                    self._identity = None
                    await self._enter(connection)
                await check_topics(connection, topics or {})
                return await read_positions(connection, partitions)

    async def lacks(self, done: Mapping[TopicPartition, int]) -> bool:
        """Say whether the tables lack any of what was applied, by the next offsets of partitions."""
        try:
            with naming_outages():
                async with self._pool.acquire() as connection:
                    found = await read_positions(connection, list(done))
        except TransientFailure:
            return False
        return any(found.get(partition, 0) < offset for partition, offset in done.items())

    async def as_of(self) -> datetime | None:
        """Return the newest instant that has come; None before the first tick."""
        with naming_outages():
            async with self._pool.acquire() as connection:
                return await PostgresAbsence(connection).as_of()

    async def directory_keys(self) -> set[bytes]:
        """Return the record keys of everything that the directory says."""
        with naming_outages():
            rows = await self._pool.fetch(statements("directory")["keys"])
        return {row["key"].encode() for row in rows}

    async def is_switched(self) -> bool:
        """Say whether other tables took the place of those that the positions were asked of."""
        try:
            with naming_outages():
                identity = await self._pool.fetchval(statements("positions")["schema_identity"])
        except TransientFailure:
            return False
        return self._identity is not None and self._identity != identity

    async def _enter(self, connection: Connection) -> None:
        """Keep a rebuild from taking the tables away.

        Raises ReadModelSwitched when one has, ReadModelOutdated when the tables are no longer this version's.
        """
        await connection.execute(statements("positions")["share_switch"])
        ((identity, revision),) = await connection.fetch(statements("positions")["schema_identity"])
        check_revision(revision)
        if self._identity is None:
            self._identity = identity
            self.forget()
        elif self._identity != identity:
            raise ReadModelSwitched(
                "a rebuilt read model took the place of this one; its positions count now"
            )

    async def check(self) -> None:
        """Return when the database answers; raise TransientFailure when not."""
        with naming_outages():
            await self._pool.execute("SELECT 1")

    def _tables(self, connection: Connection) -> PostgresTransaction:
        positions = self._positions_of(connection)
        return PostgresTransaction(
            positions=positions,
            absence=PostgresAbsence(connection),
            captures=self._captures_of(connection),
            corrections=self._corrections_of(connection),
            refused=PostgresRefusedFacts(connection),
            directory=RememberedDirectory(connection, positions, self._memory),
            days=self._days_of(connection),
            outbox=self._outbox_of(connection),
            periods=self._periods_of(connection),
            backlog=PostgresBacklog(connection),
            fates=self._fates_of(connection),
            retention=PostgresRetention(connection),
            is_live=self._is_live,
        )


class NextReadModel(PostgresReadModel):
    """Tables beside the live ones: nobody reads them yet, and nobody is told of them."""

    _is_live = False
    _days_of = PostgresDays
    _outbox_of = NothingToTell
    _periods_of = PostgresPeriods


@asynccontextmanager
async def open_read_model(url: str, *, connections: int = 4) -> AsyncIterator[PostgresReadModel]:
    """Connect to the migrated database. Raises ReadModelOutdated, or TransientFailure when it is away."""
    opened: list[PostgresReadModel] = []

    async def begin(connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute(statements("outbox")["only_one_sets_numbers"])
            await connection.execute(statements("outbox")["numbers_ahead"])
        for read_model in opened:
            read_model.forget()

    settings = {"lock_timeout": LOCK_TIMEOUT}
    async with open_pool(url, connections=connections, settings=settings, begin=begin) as pool:
        opened.append(PostgresReadModel(pool))
        yield opened[0]


@asynccontextmanager
async def open_pool(
    url: str,
    *,
    schema: str = SCHEMA,
    connections: int = 4,
    settings: Mapping[str, str] | None = None,
    begin: Callable[[Connection], Awaitable[None]] | None = None,
    will_write: bool = True,
) -> AsyncIterator[asyncpg.Pool]:
    """Connect to a migrated schema, with these settings of the server; `begin` hears of new connections.

    will_write: captures and days, so that each connection has the temporary tables for many of them.
    """

    async def prepare(connection: Connection) -> None:
        await check_migrated(connection, schema)
        if will_write:
            await connection.execute(statements("staging")["create_staging"])
        if begin is not None:
            await begin(connection)

    async def keep(_: Connection) -> None:
        """Reset nothing between transactions: none leaves a setting, a lock or a listener to the session."""

    with naming_outages():
        pool = await asyncpg.create_pool(
            url,
            min_size=0,
            max_size=connections,
            init=prepare,
            reset=keep,
            command_timeout=STATEMENT_TIMEOUT.total_seconds(),
            server_settings={
                "search_path": f"{schema}, pg_temp",
                "application_name": "attendance-projector",
                **(settings or {}),
            },
        )
    try:
        with naming_outages():
            await pool.execute("SELECT 1")
        yield pool
    finally:
        # Waiting for connections to be given back can last as long as an outage.
        pool.terminate()
