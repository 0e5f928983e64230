"""Nothing can be written: neither the login may, nor would a session of this service."""

import asyncpg
import pytest

from local_stack.for_tests.databases import Database
from query_api.adapters.postgres_pools import PoolOptions, open_pool

pytestmark = pytest.mark.integration

INSERT = "INSERT INTO attendance.organisation (org_id, name, time_zone) VALUES ('x', 'x', 'UTC')"
OPTIONS = PoolOptions(size=1, statement_timeout_ms=5000, connect_timeout_seconds=2.0)


@pytest.mark.parametrize(
    "statement",
    [
        INSERT,
        "UPDATE attendance.attendance_day SET status = 'PRESENT'",
        "DELETE FROM attendance.capture",
        "TRUNCATE attendance.person",
    ],
)
async def test_the_login_may_not_write(read_database: Database, statement: str) -> None:
    connection = await asyncpg.connect(read_database.query_url, ssl=False)
    try:
        # Even when the session asks for writing, the grants refuse.
        await connection.execute("SET default_transaction_read_only = off")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        await connection.execute("SET attendance.org_id TO acme")
        assert await connection.fetchval("SELECT count(*) FROM attendance.organisation") == 1
    finally:
        await connection.close()


async def test_a_session_refuses_writes_whatever_its_login_may(read_database: Database) -> None:
    async with open_pool(read_database.url, OPTIONS) as pool:
        with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
            await pool.execute(INSERT)
