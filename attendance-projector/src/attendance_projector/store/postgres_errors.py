"""Which errors of PostgreSQL mean what: try again at once, wait for the server, or refuse the record."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from service_kit.errors import PoisonRecord, TransientFailure

DEPENDENCY = "postgresql"

# Another transaction was in the way, or a migration changed a table under a prepared statement.
CONFLICTS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)
# The server, or the way to it, is away, full, shutting down or not the primary any more.
AWAY = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresIOError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
)


@contextmanager
def naming_outages() -> Iterator[None]:
    """Turn an outage into TransientFailure, and a value that a column cannot hold into PoisonRecord."""
    try:
        yield
    except asyncpg.DataError as error:
        # Such as a NUL character in a name; the delivery loop finds the record by trying one at a time.
        raise PoisonRecord("refused-by-database", f"a value does not fit its column: {error}") from error
    except AWAY as error:
        raise TransientFailure(DEPENDENCY, repr(error)) from error
