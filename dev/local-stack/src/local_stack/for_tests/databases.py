"""Databases for tests: random names, owned as in production, cloned from templates prepared once."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import asyncpg

from local_stack.environment import StackEnv
from local_stack.services.postgres import OWNER

# Makes the schema in the database behind the URL (as its owner).
Prepare = Callable[[str], Awaitable[None]]


@dataclass(frozen=True)
class Database:
    """A database for one test."""

    name: str
    url: str
    writer_url: str
    feed_url: str
    query_url: str
    admin_url: str

    def __repr__(self) -> str:
        # Test reports print fixtures; passwords do not belong there.
        return f"Database({self.name!r})"

    def environ(self) -> dict[str, str]:
        """Return the variables that lead to it, by their names in the environment of a stack."""
        return {
            "DATABASE_URL": self.url,
            "WRITER_DATABASE_URL": self.writer_url,
            "FEED_DATABASE_URL": self.feed_url,
            "QUERY_DATABASE_URL": self.query_url,
        }


# What the fixture `template_database` is: (name, prepare) -> a clone for one test.
CloneTemplate = Callable[[str, Prepare], AbstractAsyncContextManager[Database]]


def database_at(stack: StackEnv, name: str) -> Database:
    """Name the addresses of a database of the stack."""
    urls = (
        stack.database_url,
        stack.writer_database_url,
        stack.feed_database_url,
        stack.query_database_url,
        stack.postgres_admin_url,
    )
    return Database(name, *(urlsplit(url)._replace(path=f"/{name}").geturl() for url in urls))


async def create_database(stack: StackEnv, *, template: str | None = None) -> Database:
    """Create a database with a random name, empty or as a clone of the template."""
    name = f"t_{secrets.token_hex(6)}"
    await _create(stack, name, template=template)
    return database_at(stack, name)


async def drop_database(stack: StackEnv, name: str) -> None:
    """Drop the database and end the connections to it."""
    async with _admin(stack) as connection:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


async def columns_of(connection: asyncpg.Connection, table: str) -> list[str]:
    """Return the columns of a table that can be written; `table` may name its schema."""
    rows = await connection.fetch(
        "SELECT attname FROM pg_attribute"
        " WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
        table,
    )
    return [row["attname"] for row in rows]


class TemplateDatabases:
    """Templates by name; each is prepared at its first use and dropped at the end of the run."""

    def __init__(self, stack: StackEnv) -> None:
        self._stack = stack
        self._made: dict[str, str] = {}

    @asynccontextmanager
    async def clone(self, name: str, prepare: Prepare) -> AsyncIterator[Database]:
        """Give a clone of the named template for one test; `prepare(url)` runs once, as the owner."""
        if name not in self._made:
            template = f"template_{name}_{secrets.token_hex(4)}"
            await _create(self._stack, template)
            await prepare(database_at(self._stack, template).url)
            self._made[name] = template
        made = await create_database(self._stack, template=self._made[name])
        try:
            yield made
        finally:
            await drop_database(self._stack, made.name)

    async def drop_all(self) -> None:
        """Drop the templates."""
        for template in self._made.values():
            await drop_database(self._stack, template)
        self._made.clear()


async def _create(stack: StackEnv, name: str, *, template: str | None = None) -> None:
    source = f'TEMPLATE "{template}" STRATEGY FILE_COPY' if template else ""
    async with _admin(stack) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" OWNER {OWNER} {source}')


@asynccontextmanager
async def _admin(stack: StackEnv) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(stack.postgres_admin_url, ssl=False)
    try:
        yield connection
    finally:
        await connection.close()
