import asyncpg
import pytest

from attendance_projector.errors import ReadModelOutdated
from attendance_projector.projection.adapters.postgres_days import DAY_KEY
from attendance_projector.store.migrate import check_migrated, head, migrate
from local_stack.for_tests.databases import Database

pytestmark = pytest.mark.integration

OWN = {
    "alembic_version",
    "clock",
    "consumed_position",
    "consumed_topic",
    "installation",
    "outbox",
    "partitioned_table",
}


async def test_migrating_twice_changes_nothing(migrated: Database) -> None:
    await migrate(migrated.url)
    connection = await asyncpg.connect(migrated.url)
    try:
        await check_migrated(connection)
        assert await connection.fetchval("SELECT version_num FROM attendance.alembic_version") == head()
    finally:
        await connection.close()


async def test_down_and_up_again(migrated: Database) -> None:
    await migrate(migrated.url, "base")
    connection = await asyncpg.connect(migrated.url)
    try:
        with pytest.raises(ReadModelOutdated, match="migrate"):
            await check_migrated(connection)
        await migrate(migrated.url)
        await check_migrated(connection)
    finally:
        await connection.close()


async def test_down_leaves_nothing_behind(migrated: Database) -> None:
    await migrate(migrated.url, "base")
    connection = await asyncpg.connect(migrated.url)
    try:
        left = await connection.fetch(
            "SELECT relname FROM pg_class WHERE relnamespace = 'attendance'::regnamespace AND relkind <> 'i'"
            " UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'attendance'::regnamespace"
        )
        assert [row["relname"] for row in left] == ["alembic_version"]
    finally:
        await connection.close()


async def test_the_organisation_begins_every_key(migrated: Database) -> None:
    """But for what is the projector's own, and the time, which is the same for all."""
    connection = await asyncpg.connect(migrated.url)
    try:
        keys = await connection.fetch(
            """
            SELECT relname, attname, collname
            FROM pg_index
            JOIN pg_class AS class ON class.oid = indrelid
            JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
            LEFT JOIN pg_collation ON pg_collation.oid = attcollation
            WHERE indisprimary AND class.relnamespace = 'attendance'::regnamespace
            """
        )
        others = {row["relname"] for row in keys if (row["attname"], row["collname"]) != ("org_id", "C")}
        assert others == OWN
        assert len(keys) > len(others)
    finally:
        await connection.close()


async def test_what_a_punch_changes_is_in_no_index_of_a_day(migrated: Database) -> None:
    """Or no update could be HOT: every index, also a partial one, would get an entry for each.

    The column of statuses that no punch gives is null before and after nearly every punch.
    """
    connection = await asyncpg.connect(migrated.url, server_settings={"search_path": "attendance"})
    try:
        indexed = await connection.fetch(
            """
            SELECT attname, pg_get_expr(indpred, indrelid) AS condition
            FROM pg_index
            JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY (indkey)
            WHERE indrelid IN ('attendance_day'::regclass, 'day_explanation'::regclass)
            """
        )
        assert {row["attname"] for row in indexed} == {*DAY_KEY, "site_id", "status_without_punch"}
        assert {row["condition"] for row in indexed} == {None, "(status_without_punch IS NOT NULL)"}
    finally:
        await connection.close()


async def test_an_empty_database_is_outdated(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        with pytest.raises(ReadModelOutdated, match="is at nothing"):
            await check_migrated(connection)
    finally:
        await connection.close()


async def test_partition_bounds_are_utc_months(migrated: Database) -> None:
    owner = await asyncpg.connect(
        migrated.url, server_settings={"search_path": "attendance", "timezone": "Asia/Kolkata"}
    )
    try:
        for table in ("capture", "attendance_day"):
            await owner.execute("SELECT ensure_partitions($1, '{2026-03-05}')", table)
        bounds = await owner.fetch(
            "SELECT relname, pg_get_expr(relpartbound, oid) AS bound FROM pg_class"
            " WHERE relname LIKE '%2026_03' AND relispartition AND relkind = 'r' ORDER BY relname"
        )
        assert [(row["relname"], row["bound"]) for row in bounds] == [
            ("attendance_day_2026_03", "FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')"),
            (
                "capture_2026_03",
                "FOR VALUES FROM ('2026-03-01 05:30:00+05:30') TO ('2026-04-01 05:30:00+05:30')",
            ),
        ]
    finally:
        await owner.close()
