"""The live tables for a trial: everything is written in one transaction, told, and taken back.

The trial takes the locks of the live path, for as long as it lasts: what it finds is what would happen now.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec

from attendance_projector.projection.adapters.postgres_read_model import PostgresReadModel, open_pool
from attendance_projector.projection.ports import Transaction
from attendance_projector.store.connection import Connection
from attendance_projector.store.sql import statements
from attendance_schemas.events import AttendanceDayChanged


class _TakenBack(Exception):
    """Ends the transaction of a trial."""

    def __init__(self, changes: Sequence[AttendanceDayChanged]) -> None:
        super().__init__()
        self.changes = changes


class TrialTables(PostgresReadModel):
    """`PostgresReadModel`, whose transactions say what they would tell, and are taken back."""

    async def changes_of(
        self, work: Callable[[Transaction], Awaitable[object]]
    ) -> Sequence[AttendanceDayChanged]:
        """Do the work in one transaction, take it back, and return the changes of days that it would tell."""

        async def trial(connection: Connection) -> None:
            await work(self._tables(connection))
            rows = await connection.fetch(statements("outbox")["told_by_this_transaction"])
            raise _TakenBack([msgspec.json.decode(row["payload"], type=AttendanceDayChanged) for row in rows])

        try:
            await self._on_one_connection(trial)
        except _TakenBack as taken_back:
            return taken_back.changes
        raise AssertionError("a trial ends by being taken back")


@asynccontextmanager
async def open_trial_tables(url: str, lock_timeout: str) -> AsyncIterator[TrialTables]:
    """Connect to the migrated database. Raises ReadModelOutdated, or TransientFailure when it is away."""
    async with open_pool(url, connections=1, settings={"lock_timeout": lock_timeout}) as pool:
        yield TrialTables(pool)
