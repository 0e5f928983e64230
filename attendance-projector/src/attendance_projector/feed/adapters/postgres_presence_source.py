"""The read model as the keeper of presence sees it: one connection, and a lock that ends with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import asyncpg

from attendance_projector.feed.adapters.postgres_outbox_queue import SERVER_SETTINGS, STATEMENT_TIMEOUT
from attendance_projector.feed.ports import FoundOpen
from attendance_projector.projection.stored import PersonKey
from attendance_projector.store.connection import Connection
from attendance_projector.store.postgres_errors import DEPENDENCY, naming_outages
from attendance_projector.store.sql import statements
from attendance_schemas.presence import OpenDay
from attendance_schemas.topics import CHANGES
from service_kit.errors import TransientFailure

SQL = statements("presence")
IDENTITY = statements("positions")["schema_identity"]
# A change that waits longer to be published makes presence too old to be told.
PUBLISHED_WITHIN = timedelta(seconds=10)


class PostgresPresenceSource:
    """A PresenceSource over a connection; use `open_presence_source`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._identity: int | None = None

    async def lead(self) -> bool:
        """Say whether this is the one keeper now: it is until the connection ends."""
        with naming_outages():
            return bool(await self._connection.fetchval(SQL["only_keeper"]))

    async def open_days(self, since: datetime) -> FoundOpen:
        """Return the days that are open since later than this."""
        with naming_outages():
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                self._identity = await self._connection.fetchval(IDENTITY)
                rows = await self._connection.fetch(SQL["open_days"], since)
                newest = await self._connection.fetch(SQL["newest_revisions"], CHANGES.name)
        # The key of a change is organisation:person, and no id has a colon.
        revisions = {PersonKey(*row["key"].split(":", 1)): row["revision"] for row in newest}
        return FoundOpen([OpenDay(*row) for row in rows], revisions)

    async def is_told(self) -> bool:
        """Say whether every change has been published, but for those of the last seconds."""
        with naming_outages():
            identity = await self._connection.fetchval(IDENTITY)
            is_told = await self._connection.fetchval(SQL["is_told"], PUBLISHED_WITHIN)
        if identity != self._identity:
            raise TransientFailure(DEPENDENCY, "a rebuilt read model took the place of the one that was read")
        return bool(is_told)


@asynccontextmanager
async def open_presence_source(url: str) -> AsyncIterator[PostgresPresenceSource]:
    """Connect to the live read model. Raises TransientFailure when the database is away."""
    with naming_outages():
        connection = await asyncpg.connect(
            url,
            command_timeout=STATEMENT_TIMEOUT.total_seconds(),
            server_settings={**SERVER_SETTINGS, "application_name": "attendance-projector presence"},
        )
    try:
        yield PostgresPresenceSource(connection)
    finally:
        connection.terminate()
