"""Which months are kept, in PostgreSQL; `retention/` decides it and drops the others."""

from collections.abc import Sequence

import asyncpg

from attendance_projector.domain.retention import Retention
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements

SQL = statements("retention")
FIELDS = {"capture": "captures_from", "punch": "punches_from", "attendance_day": "days_from"}


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
