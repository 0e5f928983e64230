"""Bring the database to the read model that this version writes, and tell whether it is there."""

import asyncio
import os
from datetime import timedelta
from functools import cache
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from attendance_projector.errors import MigrationRefused, ReadModelOutdated
from attendance_projector.store.connection import Connection
from attendance_projector.store.revisions import last_pre, works_with
from attendance_projector.store.schema import SCHEMA
from service_kit.backoff import Backoff
from service_kit.errors import TransientFailure

AWAY = (OSError, OperationalError, InterfaceError, asyncpg.OperatorInterventionError)
# Source: https://www.postgresql.org/docs/current/errcodes-appendix.html
LOCK_NOT_AVAILABLE = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"
# Some two minutes, with pauses in which readers have the tables.
TRIES = 120
LONGEST_PAUSE = timedelta(seconds=1)


def _config(url: str, schema: str = SCHEMA, more: Path | None = None) -> Config:
    migrations = Path(__file__).parent / "migrations"
    versions = [migrations / "versions", *([] if more is None else [more])]
    config = Config()
    config.set_main_option("script_location", str(migrations))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", os.pathsep.join(map(str, versions)))
    config.attributes["url"] = url
    config.attributes["schema"] = schema
    return config


@cache
def steps(more: Path | None = None) -> tuple[str, ...]:
    """Return the steps that this version knows, oldest first; `more`: a folder with further ones."""
    known = ScriptDirectory.from_config(_config("", more=more)).walk_revisions()
    return tuple(str(each.revision) for each in known)[::-1]


def head() -> str:
    """Return the newest step that this version knows."""
    return steps()[-1]


async def migrate(
    url: str,
    revision: str = "head",
    *,
    schema: str = SCHEMA,
    more: Path | None = None,
) -> None:
    """Migrate a schema of the database at the URL of its owner; migrated already, it stays as it is.

    revision: "pre" for the steps beside which the version before this one still runs. Each step is a
    transaction of its own; one that waits for a table is begun again: readers never wait behind it for long.
    Raises MigrationRefused when roles are missing, or when a table is never free;
    TransientFailure when the database is away.
    """
    config = _config(url, schema, more)
    step = command.downgrade if revision == "base" else command.upgrade
    target, backoff = last_pre(steps(more)) if revision == "pre" else revision, Backoff()
    for _ in range(TRIES):
        try:
            # Alembic is synchronous and starts an event loop of its own.
            await asyncio.to_thread(step, config, target)
        except (OSError, DBAPIError, asyncpg.PostgresError) as error:
            state = getattr(getattr(error, "orig", error), "sqlstate", None)
            if state == INSUFFICIENT_PRIVILEGE:
                raise MigrationRefused(
                    f"migrate as the owner of the tables and the database: {error}"
                ) from error
            if state != LOCK_NOT_AVAILABLE:
                if isinstance(error, AWAY):
                    raise TransientFailure("postgresql", f"migration could not connect: {error}") from error
                raise
        else:
            return
        await asyncio.sleep(min(backoff.next_delay(), LONGEST_PAUSE).total_seconds())
    raise MigrationRefused(
        f"a table was not free in {TRIES} tries; the steps before are done. End what holds it "
        "(pg_stat_activity shows old transactions), then migrate again"
    )


async def revision_of(connection: Connection, schema: str = SCHEMA) -> str | None:
    """Return the revision that a schema is at, or None when it has no read model."""
    table = await connection.fetchval("SELECT to_regclass($1)", f"{schema}.alembic_version")
    found = table and await connection.fetchval(f"SELECT version_num FROM {schema}.alembic_version")  # noqa: S608
    return None if found is None else str(found)


async def migrate_and_tell(url: str, revision: str = "head") -> str | None:
    """Migrate, and return the step at which the tables are then."""
    await migrate(url, revision)
    connection = await asyncpg.connect(url)
    try:
        return await revision_of(connection)
    finally:
        await connection.close()


async def check_migrated(connection: Connection, schema: str = SCHEMA) -> None:
    """Raise ReadModelOutdated unless the tables are those of this version."""
    check_revision(await revision_of(connection, schema))


def check_revision(found: str | None) -> None:
    """Raise ReadModelOutdated unless this version works with tables of the revision that was found."""
    if found is None or not works_with(steps(), found):
        raise ReadModelOutdated(
            f"the read model is at {found or 'nothing'}, this version needs {head()}; "
            "run `attendance-projector migrate`, or the version that migrated it"
        )
