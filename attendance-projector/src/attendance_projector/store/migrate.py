"""Bring the database to the read model that this version writes, and tell whether it is there."""

import asyncio
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import InterfaceError, OperationalError

from attendance_projector.errors import ReadModelOutdated
from attendance_projector.store.connection import Connection
from attendance_projector.store.schema import SCHEMA
from service_kit.errors import TransientFailure

READER_ROLE = "attendance_reader"


def _config(url: str, reader_role: str = READER_ROLE, schema: str = SCHEMA) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    config.attributes["reader_role"] = reader_role
    config.attributes["schema"] = schema
    return config


def head() -> str:
    """Return the newest revision that this version knows."""
    return str(ScriptDirectory.from_config(_config("")).get_current_head())


async def migrate(
    url: str, revision: str = "head", *, reader_role: str = READER_ROLE, schema: str = SCHEMA
) -> None:
    """Migrate a schema of the database at a postgresql:// URL; migrated already, it stays as it is.

    Raises MigrationRefused when the reader's role is missing, TransientFailure when the database is away.
    """
    scheme, _, rest = url.partition("://")
    driver_url = f"{scheme}+asyncpg://{rest}"
    step = command.downgrade if revision == "base" else command.upgrade
    # Alembic is synchronous and starts an event loop of its own.
    try:
        await asyncio.to_thread(step, _config(driver_url, reader_role, schema), revision)
    except (OSError, OperationalError, InterfaceError, asyncpg.OperatorInterventionError) as error:
        raise TransientFailure("postgresql", f"migration could not connect: {error}") from error


async def revision_of(connection: Connection, schema: str = SCHEMA) -> str | None:
    """Return the revision that a schema is at, or None when it has no read model."""
    table = await connection.fetchval("SELECT to_regclass($1)", f"{schema}.alembic_version")
    found = table and await connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version")  # noqa: S608
    return None if found is None else str(found)


async def check_migrated(connection: Connection, schema: str = SCHEMA) -> None:
    """Raise ReadModelOutdated unless the tables are those of this version."""
    found = await revision_of(connection, schema)
    if found != head():
        raise ReadModelOutdated(
            f"the read model is at {found or 'nothing'}, this version needs {head()}; "
            "run `attendance-projector migrate`"
        )
