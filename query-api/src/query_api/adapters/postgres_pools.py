"""Connections that only read: to the replica, and to the primary while the replica is away.

Every connection is told to refuse writes and to give up slow statements, on top of a login that may only
SELECT. Plans are made for the actual parameters, so that partitions outside the range are never opened.

The database shows such a login the rows of one organisation: that which the transaction has named, and none
while it has named none. So each query has a transaction of its own, which begins with the name; the name ends
with it, on whichever connection of whichever pooler the next one comes.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from query_api.adapters.named_queries import NamedQuery, named_query
from query_api.errors import QueryTooSlow, ReadModelUnavailable
from query_api.metrics import QueryApiMetrics
from service_kit.observing.logs import get_logger

log = get_logger(__name__)

# Errors that say "this server cannot answer now", as opposed to "this query is wrong".
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
)
# The client gives up later than the server, so that the server's own answer is the usual one.
_CLIENT_GRACE_SECONDS = 2.0
# One trip to the server; hexadecimal digits need no quoting, whatever is in an id.
_BEGIN_FOR = "BEGIN; SELECT set_config('attendance.org_id', convert_from('\\x{}', 'UTF8'), true)"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolOptions:
    """How many connections, and how long to wait for one and for its answers."""

    size: int
    statement_timeout_ms: int
    connect_timeout_seconds: float


@asynccontextmanager
async def open_pool(url: str, options: PoolOptions) -> AsyncIterator[asyncpg.Pool]:
    """Give a pool that connects when it is first used, so that a service starts without its database."""
    pool = asyncpg.create_pool(
        url,
        min_size=0,
        max_size=options.size,
        timeout=options.connect_timeout_seconds,
        command_timeout=options.statement_timeout_ms / 1000 + _CLIENT_GRACE_SECONDS,
        server_settings={
            "application_name": "query-api",
            "default_transaction_read_only": "on",
            "statement_timeout": str(options.statement_timeout_ms),
            "idle_in_transaction_session_timeout": str(options.statement_timeout_ms),
            "plan_cache_mode": "force_custom_plan",
            "jit": "off",
            "timezone": "UTC",
        },
        # Nothing outlives a transaction that would have to be taken back.
        reset=_as_it_is,
    )
    async with pool:
        yield pool


async def _as_it_is(_connection: object) -> None:
    """Leave a connection as it is."""


async def _fetch_for(
    org_id: str, connection: PoolConnectionProxy, text: str, arguments: Sequence[Any]
) -> list[asyncpg.Record]:
    """Return the rows of a query that are this organisation's."""
    try:
        await connection.execute(_BEGIN_FOR.format(org_id.encode().hex()))
        return await connection.fetch(text, *arguments)
    finally:
        if not connection.is_closed():
            # Of a transaction that failed it is the end, too.
            await connection.execute("COMMIT")


class ReadPools:
    """Runs named queries on the replica or, while it is away, on the primary. `monotonic` in seconds."""

    def __init__(
        self,
        replica: asyncpg.Pool,
        primary: asyncpg.Pool | None,
        metrics: QueryApiMetrics,
        *,
        monotonic: Callable[[], float],
        retry_seconds: float,
        acquire_seconds: float = 5.0,
    ) -> None:
        self._replica = replica
        self._primary = primary
        self._metrics = metrics
        self._monotonic = monotonic
        self._retry_seconds = retry_seconds
        self._acquire_seconds = acquire_seconds
        self._replica_away_until = 0.0

    async def fetch(self, name: str, **values: object) -> list[asyncpg.Record]:
        """Return the rows of `sql/NAME.sql`, those of the organisation `org_id` alone.

        Raises ReadModelUnavailable or QueryTooSlow.
        """
        query = named_query(name)
        arguments, org_id = query.arguments(values), values.get("org_id")
        with self._metrics.query_seconds.labels(name).time():
            if self._primary is not None and self._monotonic() < self._replica_away_until:
                return await self._from_primary(self._primary, query, arguments, org_id)
            try:
                records = await self._run(self._replica, query, arguments, org_id)
            except _AWAY as error:
                self._note_replica_away(error)
                if self._primary is None:
                    raise self._unavailable(query, error) from error
                return await self._from_primary(self._primary, query, arguments, org_id)
            except asyncpg.SerializationError as error:
                # A replica cancels reads that stand in the way of its recovery; the primary never does.
                if self._primary is None:
                    raise self._too_slow(query, "timeout") from error
                return await self._from_primary(self._primary, query, arguments, org_id)
            self._note_replica_back()
            return records

    async def _from_primary(
        self, pool: asyncpg.Pool, query: NamedQuery, arguments: Sequence[object], org_id: object
    ) -> list[asyncpg.Record]:
        try:
            records = await self._run(pool, query, arguments, org_id)
        except _AWAY as error:
            raise self._unavailable(query, error) from error
        self._metrics.primary_reads.inc()
        return records

    async def _run(
        self, pool: asyncpg.Pool, query: NamedQuery, arguments: Sequence[Any], org_id: object
    ) -> list[asyncpg.Record]:
        try:
            connection = await pool.acquire(timeout=self._acquire_seconds)
        except TimeoutError as error:
            if pool.get_size() >= pool.get_max_size() and pool.get_idle_size() == 0:
                raise self._too_slow(query, "busy") from error
            raise
        try:
            if org_id is None:
                return await connection.fetch(query.text, *arguments)
            return await _fetch_for(str(org_id), connection, query.text, arguments)
        except asyncpg.QueryCanceledError as error:
            raise self._too_slow(query, "timeout") from error
        finally:
            await pool.release(connection)

    def _note_replica_away(self, error: Exception) -> None:
        self._replica_away_until = self._monotonic() + self._retry_seconds
        self._metrics.replica_away.set(1)
        log.warning(
            "replica away",
            dependency="replica",
            error=repr(error),
            reading_from="nobody" if self._primary is None else "primary",
        )

    def _note_replica_back(self) -> None:
        if self._replica_away_until:
            self._replica_away_until = 0.0
            self._metrics.replica_away.set(0)
            log.info("replica back")

    def _unavailable(self, query: NamedQuery, error: Exception) -> ReadModelUnavailable:
        self._metrics.query_failures.labels("unavailable").inc()
        log.warning("read model unavailable", dependency="database", query=query.name, error=repr(error))
        return ReadModelUnavailable("the database does not answer; ask again later")

    def _too_slow(self, query: NamedQuery, ending: str) -> QueryTooSlow:
        self._metrics.query_failures.labels(ending).inc()
        log.warning("query given up", query=query.name, ending=ending)
        if ending == "busy":
            return QueryTooSlow("every connection is busy; ask again later")
        return QueryTooSlow("the query took too long; ask for a shorter range, or again later")
