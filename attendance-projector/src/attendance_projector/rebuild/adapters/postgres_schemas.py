"""The schemas of a rebuild: `attendance_next` is built beside the live one, and knows how far it has come."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import asyncpg

from attendance_projector.domain.retention import Retention
from attendance_projector.errors import RebuildRefused
from attendance_projector.projection.adapters.postgres_months import make_months
from attendance_projector.projection.adapters.postgres_retention import retention_of_rows
from attendance_projector.rebuild.ports import LIVE, NEXT, Table
from attendance_projector.store.connection import Connection
from attendance_projector.store.migrate import migrate, revision_of, steps
from attendance_projector.store.postgres_errors import naming_outages
from attendance_projector.store.sql import statements
from service_kit.kafka.records import TopicPartition

SQL = statements("rebuild")
# Tables whose rows no log holds: what is still to be told. The tables that become the live ones take them
# over, and none stay behind that a change back could tell again.
CARRIED = ("outbox",)
# What `--from` copies: live table, table of the rebuild, which rows. A copied correction adds no punch any
# more, so those of later punches come from the log.
COPIED_FROM_LIVE = (
    ("capture", "capture", "occurred_at < $1::date"),
    ("punch", "rebuild_punch", "occurred_at < $1::date"),
    ("pending_fact", "pending_fact", "occurred_at < $1::date"),
    ("correction", "correction", "kind <> 'ADD' OR occurred_at < $1::date"),
    (
        "review",
        "review",
        # Also those of captures that are not kept any more.
        "(org_id, capture_id) NOT IN"  # noqa: S608
        f" (SELECT org_id, capture_id FROM {LIVE}.capture WHERE occurred_at >= $1::date)",
    ),
    ("period_lock", "period_lock", "$1::date IS NOT NULL"),
    # A rebuild passes over final months, and cannot tell what came too late.
    (
        "refused_fact",
        "refused_fact",
        "about_on IS NULL OR about_on < $1::date OR reason = 'month-no-longer-kept'",
    ),
)
# What is copied of final days; time decides none of them any more.
FINAL = ("attendance_day", "day_explanation", "open_day", "adjustment")
# How far devices have reported, and which days wait for that: by the order in which a projector happened to
# read the topics.
REPORTING = ("device_point", "device_report", "site_watermark", "unsettled_day")
# What is no fact, but how the projector is getting on.
UNDERWAY = ("consumed_topic", "stale_span", "untold_lock", "awaited_fact")


class PostgresSchemas:
    """`Schemas` over one connection without a search path; use `open_schemas`."""

    def __init__(self, connection: Connection, url: str) -> None:
        self.connection = connection
        self.url = url

    async def exists(self, schema: str) -> bool:
        """Say whether there is such a schema."""
        return bool(await self.connection.fetchval("SELECT to_regnamespace($1) IS NOT NULL", schema))

    async def resume(self) -> bool:
        """Say whether a rebuild of this version was prepared and can go on."""
        if not await self.exists(NEXT):
            return False
        is_ours = (
            await self.connection.fetchval("SELECT to_regclass($1)", f"{NEXT}.rebuild_state") is not None
        )
        if not is_ours or await revision_of(self.connection, NEXT) != await revision_of(self.connection):
            return False
        # Months that were dropped since are not to come back.
        is_of_these_months = await self.retention(NEXT) == await self.retention()
        return is_of_these_months and await self.read("prepared") is not None

    async def create(self) -> None:
        """Make the next schema, empty and without the indexes that only readers need."""
        # As the live tables are: during an upgrade that may be a step before the newest.
        revision = await self._revision_of_live()
        await self.discard()
        await migrate(self.url, revision, schema=NEXT)
        async with self.connection.transaction():
            await self.connection.execute(SQL["create_state"].format(next=NEXT))
            indexes = await self.connection.fetch(SQL["secondary_indexes"], NEXT)
            await self.write("indexes", {row["name"]: row["definition"] for row in indexes})
            for row in indexes:
                await self.connection.execute(f'DROP INDEX {NEXT}."{row["name"]}"')
            await self.connection.execute(SQL["keep_retention"].format(live=LIVE, next=NEXT))
            topics = f"INSERT INTO {NEXT}.consumed_topic SELECT * FROM {LIVE}.consumed_topic"  # noqa: S608
            await self.connection.execute(topics)
            # From a device's first number on, and the log may have lost that.
            reports = f"INSERT INTO {NEXT}.device_report SELECT * FROM {LIVE}.device_report"  # noqa: S608
            await self.connection.execute(reports)

    async def _revision_of_live(self) -> str:
        found = await revision_of(self.connection)
        if found not in steps():
            raise RebuildRefused(
                f"the live tables are at {found}; rebuild with the version that migrated them"
            )
        return str(found)

    async def prepare(self, asked: date | None) -> None:
        """Take from the live tables what the log cannot give, and note in the same step that this is done."""
        # Facts about final months do not count any more; what they made is in the live tables.
        bounds = [each for each in (asked, (await self.retention()).facts_from) if each is not None]
        if not bounds:
            await self._note_prepared(asked)
            return
        before, is_prepared = max(bounds), False
        while not is_prepared:
            months = await self._months_kept(before)
            await self._make_months(*months)
            # One snapshot: of a fact that is applied meanwhile, either all tables have what it made, or none.
            async with self.connection.transaction(isolation="repeatable_read"):
                # Such a fact may be about a month for which there is no room yet.
                is_prepared = await self._months_kept(before) == months
                if is_prepared:
                    await self._copy_kept(before)
                    await self._note_prepared(asked)

    async def _note_prepared(self, asked: date | None) -> None:
        await self.write("prepared", {"asked": None if asked is None else asked.isoformat()})

    async def _months_kept(self, before: date) -> tuple[list[date], list[date]]:
        """Return the months of facts before a date, and those of final days."""
        facts = await self.connection.fetchval(SQL["months_before"].format(live=LIVE), before)
        final_before = (await self.retention()).final_before
        query = SQL["months_of_final_days"].format(live=LIVE)
        return facts, [] if final_before is None else await self.connection.fetchval(query, final_before)

    async def _make_months(self, facts: Sequence[date], days: Sequence[date]) -> None:
        await self.connection.execute(f"SET search_path TO {NEXT}")
        try:
            await make_months(self.connection, facts, days)
        finally:
            await self.connection.execute("RESET search_path")

    async def _copy_kept(self, before: date) -> None:
        tables = {table.name: table for table in await self.tables(LIVE)}
        for source, target, kept_rows in COPIED_FROM_LIVE:
            columns = ", ".join(tables[source].columns)
            await self.connection.execute(
                f"INSERT INTO {NEXT}.{target} ({columns}) SELECT {columns} FROM {LIVE}.{source}"  # noqa: S608
                f" WHERE {kept_rows}",
                before,
            )
        await self.connection.execute(f"INSERT INTO {NEXT}.enrolment SELECT * FROM {LIVE}.enrolment")  # noqa: S608
        await self._keep_final(tables)
        await self.write("kept_before", before.isoformat())

    async def _keep_final(self, tables: Mapping[str, Table]) -> None:
        """Take final days as they are, with punches and adjustments: what made them is not kept."""
        final_before = (await self.retention()).final_before
        if final_before is None:
            return
        columns = ", ".join(tables["punch"].columns)
        query = SQL["keep_final_punches"].format(next=NEXT, columns=columns)
        await self.connection.execute(query, final_before)
        for table in FINAL:
            columns = ", ".join(tables[table].columns)
            query = SQL["keep_final"].format(live=LIVE, next=NEXT, table=table, columns=columns)
            await self.connection.execute(query, final_before)

    async def retention(self, schema: str = LIVE) -> Retention:
        """Return which months a schema keeps."""
        return retention_of_rows(await self.connection.fetch(SQL["retention"].format(schema=schema)))

    async def read(self, name: str) -> Any:
        """Return a value of the state, or None."""
        found = await self.connection.fetchval(SQL["read_state"].format(next=NEXT), name)
        return None if found is None else json.loads(found)

    async def write(self, name: str, value: object) -> None:
        """Set a value of the state."""
        await self.connection.execute(SQL["write_state"].format(next=NEXT), name, json.dumps(value))

    async def positions(self, schema: str) -> Mapping[TopicPartition, int]:
        """Return the next offsets of a schema."""
        rows = await self.connection.fetch(SQL["positions"].format(schema=schema))
        return {TopicPartition(row["topic"], row["partition"]): row["next_offset"] for row in rows}

    async def waiting_punches(self) -> int:
        """Index the punches that wait, by person, and count them."""
        await self.connection.execute(f"SET search_path TO {NEXT}")
        try:
            await self.connection.execute(SQL["index_waiting"])
            return int(await self.connection.fetchval("SELECT count(*) FROM rebuild_punch"))
        finally:
            await self.connection.execute("RESET search_path")

    async def build_indexes(self) -> AsyncIterator[str]:
        """Build the indexes that were left out, one by one, and gather statistics; yield each name."""
        await self.connection.execute("SET maintenance_work_mem = '256MB'")
        for name, definition in (await self.read("indexes")).items():
            if await self.connection.fetchval("SELECT to_regclass($1)", f'{NEXT}."{name}"') is None:
                await self.connection.execute(definition)
            yield name
        for table in await self.tables(NEXT):
            await self.connection.execute(f'ANALYZE {NEXT}."{table.name}"')
        yield "statistics"

    async def tables(self, schema: str) -> Sequence[Table]:
        """Return the tables of a schema, without the bookkeeping of migrations and rebuilds."""
        rows = await self.connection.fetch(SQL["tables"], schema)
        return [
            Table(
                row["name"],
                row["is_partitioned"],
                row["partition_key"],
                tuple(row["columns"]),
                tuple(row["identity"]),
            )
            for row in rows
            if row["name"] != "alembic_version" and not row["name"].startswith("rebuild_")
        ]

    async def compared_tables(self) -> Sequence[Table]:
        """Return the tables whose rows facts alone decide."""
        return [
            each for each in await self.tables(LIVE) if each.name not in (*REPORTING, *CARRIED, *UNDERWAY)
        ]

    async def backlog(self, schema: str = LIVE) -> int:
        """Count what waits to be done: spans to be computed, and locks to be told once they are."""
        return int(await self.connection.fetchval(SQL["backlog"].format(schema=schema)))

    async def set_aside(self, schema: str) -> Mapping[str, int]:
        """Count the spans that were set aside, by organisation."""
        rows = await self.connection.fetch(SQL["set_aside"].format(schema=schema))
        return {org_id: count for org_id, count in rows}

    async def discard(self, schema: str = NEXT) -> None:
        """Drop a schema that nobody reads, table by table: one transaction would fill the server's locks.

        First goes what says that it is whole: nobody goes on with what is left when this is stopped. With the
        tables go the functions that are bound to them.
        """
        await self.connection.execute(f"DROP TABLE IF EXISTS {schema}.alembic_version")
        for (table,) in await self.connection.fetch(SQL["tables_to_drop"], schema):
            await self.connection.execute(f"DROP TABLE {table} CASCADE")
        await self.connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")

    @asynccontextmanager
    async def live_stopped(self) -> AsyncIterator[None]:
        """Keep live projectors waiting inside the block, a transaction; readers go on."""
        async with self.connection.transaction():
            await self.connection.execute(SQL["stop_live"])
            yield


@asynccontextmanager
async def open_schemas(url: str) -> AsyncIterator[PostgresSchemas]:
    """Connect as the one rebuild of this database. Raises RebuildRefused or TransientFailure."""
    with naming_outages():
        connection = await asyncpg.connect(
            url,
            server_settings={
                "application_name": "attendance-projector rebuild",
                "search_path": "pg_catalog",
                "timezone": "UTC",
            },
        )
    try:
        if not await connection.fetchval(SQL["only_one"]):
            raise RebuildRefused("another rebuild of this database is running; wait for it, or stop it")
        yield PostgresSchemas(connection, url)
    finally:
        connection.terminate()
