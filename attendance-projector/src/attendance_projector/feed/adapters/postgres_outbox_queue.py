"""The outbox in PostgreSQL as its relay sees it: a connection, a lock that ends with it, and news of rows."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg

from attendance_projector.feed.ports import Backlog, OutboxRow
from attendance_projector.store.connection import Connection
from attendance_projector.store.postgres_errors import naming_outages
from attendance_projector.store.schema import SCHEMA
from attendance_projector.store.sql import statements

SQL = statements("outbox")
CHANNEL = "attendance_outbox"
STATEMENT_TIMEOUT = timedelta(seconds=30)
# So many removed rows lie in the way of the next ones before they are cleared away.
ROWS_IN_THE_WAY = 10_000
# Beyond this the exact number says nothing more, and counting takes longer than publishing.
COUNTED_AT_MOST = 100_000
# A host that is gone without a word gives up its lock after 10 + 3 * 5 seconds instead of two hours.
SERVER_SETTINGS = {
    "application_name": "attendance-projector relay",
    "search_path": f"{SCHEMA}, pg_temp",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
}


class PostgresOutboxQueue:
    """`OutboxQueue` over a connection; use `open_outbox_queue`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._news = asyncio.Event()
        self._in_the_way = 0

    async def listen(self) -> None:
        """Hear of new rows, and of the connection's end."""
        with naming_outages():
            await self._connection.add_listener(CHANNEL, lambda *_: self._news.set())
        self._connection.add_termination_listener(lambda _: self._news.set())

    async def lead(self) -> bool:
        """Say whether this is the one relay now: it is until the connection ends."""
        with naming_outages():
            if not await self._connection.fetchval(SQL["only_relay"]):
                return False
            await self._connection.execute(SQL["numbers_ahead"])
            return True

    async def first_rows(self, limit: int) -> Sequence[OutboxRow]:
        """Return the oldest rows, in the order in which they are to be published."""
        # Before the look: what comes during it is news.
        self._news.clear()
        with naming_outages():
            return [OutboxRow(*row) for row in await self._connection.fetch(SQL["first_rows"], limit)]

    async def remove(self, rows: Sequence[OutboxRow]) -> None:
        """Remove rows that are published."""
        with naming_outages():
            await self._connection.execute(SQL["remove"], [row.id for row in rows])
            self._in_the_way += len(rows)
            if self._in_the_way >= ROWS_IN_THE_WAY:
                self._in_the_way = 0
                await self._connection.execute(SQL["clear"])

    async def refuse(self, row: OutboxRow, why: str) -> None:
        """Keep a row that can never be published, and let those after it go on."""
        with naming_outages():
            await self._connection.execute(SQL["refuse"], row.id, why)

    async def backlog(self) -> Backlog:
        """Return how much waits, and for how long."""
        with naming_outages():
            (found,) = await self._connection.fetch(SQL["backlog"], COUNTED_AT_MOST)
        return Backlog(found["size"], timedelta(seconds=found["oldest_seconds"] or 0.0))

    async def news(self, timeout: timedelta) -> None:
        """Return when rows have come since the last look, or after the timeout."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout.total_seconds()):
                await self._news.wait()


@asynccontextmanager
async def open_outbox_queue(url: str) -> AsyncIterator[PostgresOutboxQueue]:
    """Connect to the live read model. Raises TransientFailure when the database is away."""
    with naming_outages():
        connection = await asyncpg.connect(
            url, command_timeout=STATEMENT_TIMEOUT.total_seconds(), server_settings=SERVER_SETTINGS
        )
    try:
        queue = PostgresOutboxQueue(connection)
        await queue.listen()
        yield queue
    finally:
        # The lock goes with the connection; a word of goodbye could wait for an outage.
        connection.terminate()
