"""Alembic's entry: connect as the owner, take the migration lock, run each step in its own transaction.

A step waits only briefly for a table that somebody reads, and is begun again: those who come meanwhile would
wait behind it (`migrate.py`).
"""

import asyncio
import time
from datetime import timedelta
from functools import partial

import asyncpg
from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from attendance_projector.errors import MigrationRefused
from attendance_projector.store.roles import ROLES, let_in
from attendance_projector.store.schema import SCHEMA

# Any constant does, as long as nothing else in the database locks the same number.
MIGRATION_LOCK = 4_203_671
ASKS_EVERY = timedelta(seconds=0.1)
# So long readers may wait behind a step that waits for another reader.
LOCK_TIMEOUT = "200ms"


def _migrate(connection: Connection) -> None:
    schema = context.config.attributes["schema"]
    _wait_for_others(connection)
    connection.execute(text(f"SET lock_timeout TO '{LOCK_TIMEOUT}'"))
    _prepare(connection, schema)
    connection.execute(text(f"SET search_path TO {schema}"))
    connection.commit()
    context.configure(connection=connection, version_table_schema=schema, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def _wait_for_others(connection: Connection) -> None:
    """Let two projectors that start together not migrate together; the lock ends with the connection.

    Asked again and again, each time in a transaction of its own: a statement that waited for the lock would
    hold a snapshot, and an index that the other one makes concurrently would wait for that.
    """
    query = text("SELECT pg_try_advisory_lock(:key)")
    while not connection.execute(query, {"key": MIGRATION_LOCK}).scalar_one():
        connection.commit()
        time.sleep(ASKS_EVERY.total_seconds())


def _prepare(connection: Connection, schema: str) -> None:
    """Make the schema; a rebuild's is the owner's alone. Raises MigrationRefused when roles are missing."""
    known = set(connection.execute(text("SELECT rolname FROM pg_roles")).scalars())
    if missing := [role for role in ROLES if role not in known]:
        lines = "\n".join(f"CREATE ROLE {role} NOLOGIN;" for role in missing)
        raise MigrationRefused(
            f"the tables are granted to roles that are missing: {', '.join(missing)}. "
            f"As an administrator run\n{lines}\nthen migrate again"
        )
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    if schema == SCHEMA:
        connection.execute(text(let_in(schema)))


async def _run() -> None:
    # The driver reads the URL itself, with the options of TLS that libpq has.
    connect = partial(asyncpg.connect, context.config.attributes["url"])
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


asyncio.run(_run())
