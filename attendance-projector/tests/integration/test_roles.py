"""Who may what: every role can do its work, and nothing beside it, whichever schema has which name."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from asyncpg import InsufficientPrivilegeError as Refused

from attendance_projector.errors import MigrationRefused
from attendance_projector.feed.adapters.postgres_outbox_queue import open_outbox_queue
from attendance_projector.projection.adapters.postgres_read_model import open_read_model
from attendance_projector.rebuild.adapters.postgres_schemas import open_schemas
from attendance_projector.rebuild.adapters.postgres_switch import PostgresSwitch
from attendance_projector.rebuild.ports import LIVE, NEXT, PREVIOUS
from attendance_projector.store.migrate import migrate
from attendance_projector.store.roles import FEED, READER, ROLES, WRITER
from local_stack.for_tests.databases import Database

pytestmark = pytest.mark.integration

DAY = "2026-03-02"
# What only the projector itself has to do with.
NOT_READ = {"consumed_position", "consumed_topic", "device_point", "outbox", "untold_lock"}
TABLES = """
SELECT oid, relname, relkind, relispartition, relrowsecurity, EXISTS (
    SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'org_id'
) AS is_of_organisations
FROM pg_class
WHERE relnamespace = 'attendance'::regnamespace AND relkind IN ('r', 'p')
"""
RIGHTS = "SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN"
# What `run` and `feed` never do.
REFUSED = {
    "writer": (
        "DROP TABLE attendance.leave",
        "ALTER TABLE attendance.leave ADD COLUMN more text",
        "ALTER TABLE attendance.leave DISABLE ROW LEVEL SECURITY",
        "TRUNCATE attendance.leave",
        "CREATE TABLE attendance.more (id int)",
        "SELECT * FROM attendance.punch_2026_03",
        "DELETE FROM attendance.punch_2026_03",
        "UPDATE attendance.alembic_version SET version_num = '0'",
        "UPDATE attendance.partitioned_table SET kept_from = NULL",
        "DELETE FROM attendance.installation",
        "DELETE FROM attendance.capture",
        "DELETE FROM attendance.correction",
        "UPDATE attendance.locked_day SET status = 'PRESENT'",
        "UPDATE attendance.outbox SET payload = '{}'",
    ),
    "feed": (
        "UPDATE attendance.attendance_day SET status = 'PRESENT'",
        "SELECT * FROM attendance.attendance_day",
        "SELECT * FROM attendance.person",
        "DELETE FROM attendance.open_day",
        "INSERT INTO attendance.outbox (topic, key, event_type, payload) VALUES ('t', 'k', 'e', '{}')",
        "UPDATE attendance.outbox SET payload = '{}'",
        "TRUNCATE attendance.outbox",
        "UPDATE attendance.consumed_position SET next_offset = 0",
        "SELECT attendance.ensure_partitions('punch', '{2026-09-01}')",
    ),
}


@dataclass(frozen=True, slots=True)
class Logins:
    """A connection of each role."""

    owner: asyncpg.Connection
    writer: asyncpg.Connection
    feed: asyncpg.Connection
    reader: asyncpg.Connection


@asynccontextmanager
async def logged_in(database: Database) -> AsyncIterator[Logins]:
    urls = (database.url, database.writer_url, database.feed_url, database.query_url)
    async with AsyncExitStack() as stack:
        made = []
        for url in urls:
            path = {"search_path": "attendance, pg_temp"}
            made.append(await asyncpg.connect(url, ssl=False, server_settings=path))
            stack.push_async_callback(made[-1].close, timeout=5)
        yield Logins(*made)


@pytest.fixture
async def logins(plant: Any) -> AsyncIterator[Logins]:
    """With a day of Asha, who is in the organisation `org`."""
    await plant.tell(plant.match("asha", f"{DAY}T08:00+05:30"))
    async with logged_in(plant.database) as made:
        yield made


async def test_every_table_has_its_policies_and_grants(logins: Logins) -> None:
    tables = await logins.owner.fetch(TABLES)
    policies = {
        (row["tablename"], row["policyname"], row["cmd"], *row["roles"])
        for row in await logins.owner.fetch("SELECT * FROM pg_policies WHERE schemaname = 'attendance'")
    }
    wanted = set()
    for table in tables:
        name, is_part = table["relname"], table["relispartition"]
        assert table["relrowsecurity"] == (table["is_of_organisations"] and not is_part), name
        if table["relrowsecurity"]:
            wanted |= {
                (name, "own_organisation", "SELECT", READER),
                (name, "every_organisation", "ALL", FEED, WRITER),
            }
        may = {
            role: await logins.owner.fetchval(
                "SELECT has_table_privilege($1, $2::oid, 'SELECT')", role, table["oid"]
            )
            for role in ROLES
        }
        assert may[WRITER] == (not is_part), name
        assert may[READER] == (not is_part and name not in NOT_READ), name
        assert may[FEED] == (name in {"outbox", "open_day", "alembic_version"}), name
    assert {(*each[:3], *sorted(each[3:])) for each in policies} == wanted
    assert any(table["relispartition"] for table in tables)


async def test_nobody_but_the_owner_has_rights_on_a_month(logins: Logins) -> None:
    for table in await logins.owner.fetch(TABLES):
        if table["relispartition"]:
            for role in (*ROLES, "public"):
                asked = "SELECT has_table_privilege($1, $2::oid, $3)"
                assert not await logins.owner.fetchval(asked, role, table["oid"], RIGHTS), table["relname"]


@pytest.mark.parametrize("table", sorted({*NOT_READ, "punch_2026_03", "attendance_day_2026_03"}))
async def test_a_reader_is_refused_what_is_not_read(logins: Logins, table: str) -> None:
    await logins.reader.execute("SET attendance.org_id TO org")
    with pytest.raises(Refused):
        await logins.reader.fetch(f"SELECT * FROM attendance.{table}")  # noqa: S608


async def test_a_reader_sees_the_organisation_that_it_named_and_no_other(plant: Any, logins: Logins) -> None:
    tables = [
        each["relname"]
        for each in await logins.owner.fetch(TABLES)
        if each["is_of_organisations"] and not each["relispartition"] and each["relname"] not in NOT_READ
    ]
    filled = 0
    for name, is_theirs in (("nobody", False), (None, False), ("org", True)):
        if name is None:
            await logins.reader.execute("RESET attendance.org_id")
        else:
            await logins.reader.execute("SELECT set_config('attendance.org_id', $1, false)", name)
        for table in tables:
            count = f"SELECT count(*) FROM {table}"  # noqa: S608
            seen = await logins.reader.fetchval(count)
            assert seen == (await logins.owner.fetchval(count) if is_theirs else 0), (table, name)
            filled += seen
    assert filled >= len(("site", "person", "shift", "capture", "punch", "attendance_day", "day_explanation"))


@pytest.mark.parametrize(
    ("role", "statement"), [(role, each) for role, statements in REFUSED.items() for each in statements]
)
async def test_a_role_is_refused_what_its_service_never_does(
    logins: Logins, role: str, statement: str
) -> None:
    with pytest.raises(Refused):
        await getattr(logins, role).execute(statement)


async def test_only_the_writer_makes_months_and_only_readers_look_for_names(logins: Logins) -> None:
    for connection in (logins.reader, logins.feed):
        with pytest.raises((Refused, asyncpg.ReadOnlySQLTransactionError)):
            await connection.execute("SELECT ensure_partitions('punch', '{2026-09-01}')")
    found = "SELECT people_found('%asha%', '', NULL, NULL, 9)"
    for connection in (logins.writer, logins.feed):
        with pytest.raises(Refused):
            await connection.execute(found)
    assert await logins.reader.fetch(found) == []
    await logins.reader.execute("SET attendance.org_id TO nobody")
    assert await logins.reader.fetch(found) == []
    await logins.reader.execute("SET attendance.org_id TO org")
    assert [row[0] for row in await logins.reader.fetch(found)] == ["asha"]


async def test_a_hostile_temporary_table_fools_no_function_of_the_owner(logins: Logins) -> None:
    writer, reader = logins.writer, logins.reader
    await writer.execute(
        """
        CREATE TEMP TABLE partitioned_table AS
            SELECT 'punch'::text AS table_name, 'date'::text AS key_type, 1 AS filled_percent,
                NULL::date AS kept_from;
        CREATE TEMP TABLE installation AS SELECT '1900-01-01'::date AS earliest_on;
        CREATE TEMP TABLE punch (id int) PARTITION BY RANGE (id);
        CREATE TEMP TABLE pg_proc AS SELECT 1 AS oid;
        SET search_path TO pg_temp, attendance;
        """
    )
    months = [date(1990, 1, 1), date(2026, 9, 1)]
    assert await writer.fetchval("SELECT attendance.ensure_partitions('punch', $1)", months) == 1
    assert await writer.fetchval("SHOW search_path") == "pg_temp, attendance"
    made = await logins.owner.fetchrow(
        "SELECT pg_get_expr(relpartbound, oid), relowner = 'attendance_owner'::regrole, reloptions"
        " FROM pg_class WHERE oid = 'attendance.punch_2026_09'::regclass"
    )
    bounds = "FOR VALUES FROM ('2026-09-01 00:00:00+00') TO ('2026-10-01 00:00:00+00')"
    assert tuple(made) == (bounds, True, ["fillfactor=100"])
    await reader.execute("SET default_transaction_read_only TO off")
    await reader.execute(
        """
        CREATE TEMP TABLE person AS SELECT 'org' AS org_id, 'fooled' AS person_id, 'Asha' AS display_name;
        SET search_path TO pg_temp, attendance;
        SET attendance.org_id TO org;
        """
    )
    found = await reader.fetch("SELECT attendance.people_found('%asha%', '', NULL, NULL, 9)")
    assert [row[0] for row in found] == ["asha"]


async def assert_each_does_its_work(plant: Any, month: int) -> None:
    """The writer stores a day in a month that is not there, the feed tells of it, and the reader sees it."""
    async with open_read_model(plant.writer_url) as read_model:
        record = plant.record(plant.match("asha", f"2027-{month:02}-02T08:00+05:30"))
        await plant.projector_on(read_model).apply([record])
    async with open_outbox_queue(plant.feed_url) as queue:
        assert await queue.lead()
        rows = await queue.first_rows(10)
        assert rows
        await queue.refuse(rows[0], "why")
        await queue.remove(rows)
        await queue._connection.execute("VACUUM attendance.outbox")
    async with logged_in(plant.database) as logins:
        await logins.reader.execute("SET attendance.org_id TO org")
        seen = "SELECT count(*) FROM attendance.attendance_day WHERE attendance_on = $1"
        assert await logins.reader.fetchval(seen, date(2027, month, 2)) == 1


async def assert_kept_out(database: Database, *schemas: str) -> None:
    async with logged_in(database) as logins:
        for connection in (logins.writer, logins.feed, logins.reader):
            for schema in schemas:
                for table in ("attendance_day", "outbox", "alembic_version"):
                    with pytest.raises(Refused, match=f"schema {schema}"):
                        await connection.fetch(f"SELECT * FROM {schema}.{table}")  # noqa: S608


async def test_a_switch_and_a_rollback_pass_the_tables_on_to_every_role(plant: Any) -> None:
    async def nothing_to_do() -> None:
        """Both stand where they should."""

    await assert_each_does_its_work(plant, 1)
    async with open_schemas(plant.url) as schemas:
        await schemas.create()
        await assert_kept_out(plant.database, NEXT)
        for table in ("organisation", "site", "person", "shift", "consumed_position"):
            copied = f"INSERT INTO {NEXT}.{table} SELECT * FROM {LIVE}.{table}"  # noqa: S608
            await schemas.connection.execute(copied)
        switch = PostgresSwitch(schemas)
        await switch.put_in_place(nothing_to_do)
        await assert_kept_out(plant.database, PREVIOUS)
        await assert_each_does_its_work(plant, 2)
        await switch.roll_back(nothing_to_do)
        await assert_kept_out(plant.database, PREVIOUS)
        await assert_each_does_its_work(plant, 3)
        # What a switch put aside is dropped with the functions that are bound to it.
        await schemas.discard(PREVIOUS)
        assert not await schemas.exists(PREVIOUS)


async def test_an_administrator_can_keep_readers_from_stopping_the_projector(plant: Any) -> None:
    """By the statement that docs/read-model.md gives; all others go on with their work."""
    page = (Path(__file__).parents[3] / "docs/read-model.md").read_text()
    statements = [each.split("```")[0] for each in page.split("```sql\n")[1:]]
    (protect,) = [each for each in statements if "REVOKE" in each]
    (look,) = [each for each in statements if "pg_stat_activity" in each]
    take = "SELECT pg_advisory_lock(hashtext('attendance-projector switch'), 0)"
    async with logged_in(plant.database) as logins:
        await logins.reader.execute(take)
        holders = await plant.sql.fetch(look)
        assert [row["mode"] for row in holders] == ["ExclusiveLock"]
        await logins.reader.execute("SELECT pg_advisory_unlock_all()")
        await plant.as_administrator(protect)
        with pytest.raises(Refused):
            await logins.reader.execute(take)
    await plant.tell(plant.site())
    await assert_each_does_its_work(plant, 9)


async def test_a_login_that_owns_nothing_is_told_that_it_cannot_migrate(plant: Any) -> None:
    with pytest.raises(MigrationRefused, match="as the owner"):
        await migrate(plant.writer_url)


async def test_missing_roles_are_named_with_what_makes_them(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attendance_projector.store.roles.ROLES", (READER, "nobody_a", "nobody_b"))
    with pytest.raises(MigrationRefused) as refused:
        await migrate(database.url)
    assert "\nCREATE ROLE nobody_a NOLOGIN;\nCREATE ROLE nobody_b NOLOGIN;\n" in str(refused.value)
    assert READER not in str(refused.value)
