import asyncpg
import pytest

from attendance_projector.errors import MigrationRefused, ReadModelOutdated
from attendance_projector.store.migrate import check_migrated, head, migrate
from local_stack.databases import Database

pytestmark = pytest.mark.integration


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


async def test_a_first_release_in_use_is_migrated_with_its_rows(database: Database) -> None:
    await migrate(database.url, "0001")
    owner = await asyncpg.connect(database.url, server_settings={"search_path": "attendance"})
    try:
        await owner.execute("SELECT ensure_partitions('punch', '{2026-03-05}')")
        await owner.execute("SELECT ensure_partitions('attendance_day', '{2026-03-05}')")
        await owner.execute(
            "INSERT INTO punch"
            " (punch_id, occurred_at, org_id, person_id, site_id, device_id, method, placement)"
            " VALUES (gen_random_uuid(), '2026-03-05', 'org', 'asha', 's', 'k', 'face', 'REVIEW')"
        )
        await migrate(database.url)
        await check_migrated(owner)
        assert await owner.fetchval("SELECT placement FROM punch_2026_03") == "REVIEW"
        await owner.execute("UPDATE punch SET placement = 'VOIDED', placed_on = '2026-03-05'")
        indexed = await owner.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'punch_2026_03'")
        assert any("method <> 'face'" in row["indexdef"] for row in indexed)
    finally:
        await owner.close()


async def test_an_empty_database_is_outdated(database: Database) -> None:
    connection = await asyncpg.connect(database.url)
    try:
        with pytest.raises(ReadModelOutdated, match="is at nothing"):
            await check_migrated(connection)
    finally:
        await connection.close()


async def test_reader_sees_tables_and_partitions_and_writes_nothing(migrated: Database) -> None:
    owner = await asyncpg.connect(migrated.url, server_settings={"search_path": "attendance"})
    reader = await asyncpg.connect(migrated.query_url)
    try:
        made = await owner.fetchval("SELECT ensure_partitions('punch', '{2026-03-05,2026-03-31,2026-04-01}')")
        again = await owner.fetchval("SELECT ensure_partitions('punch', '{2026-03-05}')")
        assert (made, again) == (2, 0)
        assert await reader.fetchval("SELECT count(*) FROM attendance.punch_2026_03") == 0
        assert await reader.fetchval("SELECT count(*) FROM attendance.attendance_day") == 0
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)):
            await reader.execute("DELETE FROM attendance.punch")
    finally:
        await owner.close()
        await reader.close()


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


async def test_a_missing_reader_role_is_named(database: Database) -> None:
    with pytest.raises(MigrationRefused, match="CREATE ROLE nobody_of_this_name"):
        await migrate(database.url, reader_role="nobody_of_this_name")
