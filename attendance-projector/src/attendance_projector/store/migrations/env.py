"""Alembic's entry: connect as the owner, take the migration lock, run each step in its own transaction.

A step waits only briefly for a table that somebody reads, and is begun again: those who come meanwhile would
wait behind it (`migrate.py`).
"""

import asyncio

from alembic import context
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from attendance_projector.errors import MigrationRefused

# Any constant does, as long as nothing else in the database locks the same number.
MIGRATION_LOCK = 4_203_671
# So long readers may wait behind a step that waits for another reader.
LOCK_TIMEOUT = "200ms"


def _migrate(connection: Connection) -> None:
    schema = context.config.attributes["schema"]
    # Two projectors that start together must not migrate together; the lock ends with the connection.
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": MIGRATION_LOCK})
    connection.execute(text(f"SET lock_timeout TO '{LOCK_TIMEOUT}'"))
    _prepare(connection, schema)
    connection.execute(text(f"SET search_path TO {schema}"))
    connection.commit()
    context.configure(connection=connection, version_table_schema=schema, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()


def _prepare(connection: Connection, schema: str) -> None:
    """Make the schema, which the reader's role can read."""
    reader = context.config.attributes["reader_role"]
    known = connection.execute(text("SELECT 1 FROM pg_roles WHERE rolname = :role"), {"role": reader})
    if known.first() is None:
        raise MigrationRefused(
            f"role {reader} is missing, and without it nobody could read; as an administrator run "
            f"`CREATE ROLE {reader} NOLOGIN`, then migrate again"
        )
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    connection.execute(text(f'GRANT USAGE ON SCHEMA {schema} TO "{reader}"'))
    # Tables of later revisions and partitions that the service makes are readable, too.
    connection.execute(
        text(f'ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT ON TABLES TO "{reader}"')
    )


async def _run() -> None:
    engine = create_async_engine(context.config.attributes["url"], poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_migrate)
    finally:
        await engine.dispose()


asyncio.run(_run())
