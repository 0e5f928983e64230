"""One schema takes the name of another in one step, and readers go on.

Names pass, tables stay: what readers had prepared is planned again by the server, since the catalogue of
schemas changed. A statement that was being parsed meanwhile would find one table under its old name and the
next under its new one; so the switch holds every table that can be named, in both schemas, for the moment
that it takes. It waits for them only briefly and begins again, so that no reader is ever the one to give up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import asyncpg

from attendance_projector.errors import RebuildRefused
from attendance_projector.rebuild.adapters.postgres_schemas import CARRIED, SQL, PostgresSchemas
from attendance_projector.rebuild.ports import LIVE, NEXT, PREVIOUS
from attendance_projector.store.migrate import revision_of
from attendance_projector.store.roles import keep_out, let_in
from attendance_projector.store.schema import SCHEMA
from service_kit.backoff import Backoff

# Shorter than the server's deadlock_timeout of 1 s: those who wait for us never take us for a deadlock.
LOCK_TIMEOUT_MS = 200
ATTEMPTS_TO_SWITCH = 100
BEGIN_AGAIN = "run `attendance-projector rebuild`"


class PostgresSwitch:
    """`Switch` of the schemas of a rebuild, on its connection."""

    def __init__(self, schemas: PostgresSchemas) -> None:
        self._schemas = schemas
        self._connection = schemas.connection

    async def put_in_place(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Put the next schema in the place of the live one, which stays as the previous one."""
        await self._schemas.discard(PREVIOUS)

        async def finish() -> None:
            await catch_up()
            if await self._schemas.positions(LIVE) != await self._schemas.positions(NEXT):
                raise RebuildRefused(
                    "the rebuilt tables stand at other positions than the live ones; run it again"
                )

        async def rename() -> None:
            # No migration ends while all tables are held.
            await self._check_revisions()
            await self._carry(NEXT)
            await self._connection.execute(SQL["drop_state"].format(next=NEXT))
            await self._connection.execute(keep_out(LIVE))
            await self._connection.execute(f"ALTER SCHEMA {LIVE} RENAME TO {PREVIOUS}")
            await self._connection.execute(f"ALTER SCHEMA {NEXT} RENAME TO {LIVE}")
            await self._connection.execute(let_in(LIVE))

        await self._while_held((LIVE, NEXT), finish, rename)

    async def _check_revisions(self) -> None:
        """Raise RebuildRefused when the live tables were migrated since the others were made."""
        live, rebuilt = [await revision_of(self._connection, schema) for schema in (LIVE, NEXT)]
        if live != rebuilt:
            raise RebuildRefused(
                f"the live tables were migrated to {live} during this rebuild, which made {rebuilt}; "
                f"with the version that migrated them, {BEGIN_AGAIN}"
            )

    async def roll_back(self, check: Callable[[], Awaitable[None]]) -> None:
        """Let the live and the previous schema change places. Raises RebuildRefused."""
        if not await self._schemas.exists(PREVIOUS):
            raise RebuildRefused(f"there is no schema {PREVIOUS}; nothing was switched since it was dropped")
        found, live = [await revision_of(self._connection, each) for each in (PREVIOUS, LIVE)]
        if found != live:
            raise RebuildRefused(
                f"{PREVIOUS} is at revision {found}, the live tables at {live}; {BEGIN_AGAIN}"
            )

        async def rename() -> None:
            await self._carry(PREVIOUS)
            aside = f"{SCHEMA}_aside"
            await self._connection.execute(keep_out(LIVE))
            await self._connection.execute(f"ALTER SCHEMA {LIVE} RENAME TO {aside}")
            await self._connection.execute(f"ALTER SCHEMA {PREVIOUS} RENAME TO {LIVE}")
            await self._connection.execute(f"ALTER SCHEMA {aside} RENAME TO {PREVIOUS}")
            await self._connection.execute(let_in(LIVE))

        await self._while_held((LIVE, PREVIOUS), check, rename)

    async def _carry(self, target: str) -> None:
        """Move what the live tables alone hold to those that take their place."""
        for each in ("carry_locks", "carry_awaited"):
            await self._connection.execute(SQL[each].format(live=LIVE, target=target))
        for table in CARRIED:
            await self._connection.execute(SQL["carry_rows"].format(live=LIVE, target=target, table=table))
            await self._connection.execute(SQL["carry_numbers"].format(live=LIVE, target=target, table=table))

    async def _while_held(
        self,
        schemas: Sequence[str],
        first: Callable[[], Awaitable[None]],
        then: Callable[[], Awaitable[None]],
    ) -> None:
        """Stop live projectors, do the first thing, hold every table of the schemas, do the other."""
        backoff = Backoff()
        for attempt in range(ATTEMPTS_TO_SWITCH):
            try:
                async with self._schemas.live_stopped():
                    await first()
                    await self._connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
                    await self._hold_tables(schemas)
                    await then()
            except asyncpg.LockNotAvailableError:
                if attempt == ATTEMPTS_TO_SWITCH - 1:
                    raise
            else:
                return
            await asyncio.sleep(min(backoff.next_delay().total_seconds(), 1.0))

    async def _hold_tables(self, schemas: Sequence[str]) -> None:
        for schema in schemas:
            for row in await self._connection.fetch(SQL["tables"], schema):
                # ONLY: partitions are found by the number of their parent, not by name.
                await self._connection.execute(
                    f'LOCK TABLE ONLY {schema}."{row["name"]}" IN ACCESS EXCLUSIVE MODE'
                )
