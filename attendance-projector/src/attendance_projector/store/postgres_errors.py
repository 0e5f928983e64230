"""Which errors of PostgreSQL mean what: try again at once, wait for the server, or refuse the record."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from attendance_projector.errors import Unstorable
from service_kit.errors import TransientFailure

DEPENDENCY = "postgresql"

# Another transaction was in the way, or a migration changed a table under a prepared statement.
CONFLICTS = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.InvalidCachedStatementError,
)
# A row that no table can hold, such as one with a NUL character in a name, a second one of a key, or one with
# an id that no index can take (SQLSTATE classes 22, 23 and 54).
UNSTORABLE = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
# Somebody else holds what a statement waits for, or an operator ended the wait.
CONTENTION = (asyncpg.LockNotAvailableError, asyncpg.QueryCanceledError)
# The server, or the way to it, is away, full, shutting down or not the primary any more.
SAYS_IT_IS_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresIOError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InterfaceError,
    # What a connection says whose server died while it began a statement; the pool lets go of it.
    asyncpg.InternalClientError,
)
AWAY = (OSError, TimeoutError, *SAYS_IT_IS_AWAY)


def is_of_missing_partition(error: asyncpg.CheckViolationError) -> bool:
    """Say whether no partition takes a row: the error has the SQLSTATE of a check, but names none."""
    return error.constraint_name is None


@contextmanager
def naming_outages() -> Iterator[None]:
    """Turn an outage into TransientFailure, and what the tables cannot hold into Unstorable."""
    try:
        yield
    except asyncpg.CheckViolationError as error:
        if not is_of_missing_partition(error):
            raise Unstorable(str(error)) from error
        # The month was made on a server that another one has replaced since.
        raise TransientFailure(DEPENDENCY, f"a month is missing: {error}") from error
    except UNSTORABLE as error:
        raise Unstorable(str(error)) from error
    except CONTENTION as error:
        raise TransientFailure(DEPENDENCY, repr(error), is_contention=True) from error
    except AWAY as error:
        raise TransientFailure(DEPENDENCY, repr(error)) from error
