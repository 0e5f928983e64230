"""query-api's statements, asked all the time while a projector's commands change the tables under them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.domain.retention import KeptMonths
from attendance_projector.retention.adapters.postgres_monthly_tables import open_monthly_tables
from attendance_projector.retention.drop_months import drop_months
from attendance_testing.polling import eventually
from attendance_testing.projector.history import FIRST_ON, PEOPLE
from attendance_testing.projector.plant import worked_half_a_year
from attendance_testing.projector.rebuilds import TABLES, Deployment
from local_stack.for_tests.databases import Database
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.metrics import QueryApiMetrics

pytestmark = pytest.mark.integration

DEADLINE = 30.0
SCHEMAS_OF_ONE_STATEMENT = """
SELECT count(*) AS days, count(DISTINCT relnamespace) AS schemas
FROM (
    SELECT unnest(ARRAY[day.tableoid, person.tableoid, site.tableoid, punch.tableoid]) AS oid
    FROM attendance.attendance_day AS day
    JOIN attendance.person AS person USING (org_id, person_id)
    JOIN attendance.site AS site ON site.org_id = person.org_id AND site.site_id = person.home_site_id
    JOIN attendance.punch AS punch
        ON punch.org_id = day.org_id AND punch.person_id = day.person_id
        AND punch.placed_on = day.attendance_on
    WHERE day.attendance_on < '2026-04-05'
) AS used
JOIN pg_class USING (oid)
"""
Read = Callable[[ReadPools, asyncpg.Pool], Awaitable[Any]]


@asynccontextmanager
async def reading(database: Database, read: Read, pause: float = 0.0) -> AsyncIterator[list[Any]]:
    """Read again and again, as query-api does; the list gets each answer, and an error fails the test."""
    answers: list[Any] = []
    done = asyncio.Event()

    async def read_all_the_time() -> None:
        options = PoolOptions(size=4, statement_timeout_ms=5000, connect_timeout_seconds=2.0)
        async with open_pool(database.query_url, options) as pool:
            metrics = QueryApiMetrics(CollectorRegistry())
            clock = asyncio.get_running_loop().time
            pools = ReadPools(pool, None, metrics, monotonic=clock, retry_seconds=1.0)
            while not done.is_set():
                answers.append(await read(pools, pool))
                await asyncio.sleep(pause)

    task = asyncio.create_task(read_all_the_time())
    try:
        yield answers
    finally:
        done.set()
        await task


async def days_of(pools: ReadPools, first_on: date, last_on: date) -> Any:
    return await pools.fetch(
        "attendance_days",
        **{"org_id": "org", "first_on": first_on, "last_on": last_on, "sites": None},
        **{"person_id": None, "status": None, "limit": 1000},
        **{"after_on": None, "after_person_id": None, "after_shift_id": None},
    )


async def days_that_stand(pools: ReadPools, pool: asyncpg.Pool) -> Any:
    """Return what a rebuild cannot change, and how many schemas one statement reads."""
    days = await days_of(pools, FIRST_ON, date(2026, 4, 5))
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('attendance.org_id', 'org', true)")
        used = await connection.fetchrow(SCHEMAS_OF_ONE_STATEMENT)
    return tuple(map(tuple, days)), tuple(used)


async def days_of_all_months(pools: ReadPools, _pool: asyncpg.Pool) -> int:
    span = {"first_on": date(2026, 1, 1), "last_on": date(2026, 6, 30)}
    count = len(await days_of(pools, **span))
    await pools.fetch("explained_days", org_id="org", person_id="asha", sites=None, **span)
    return count


async def test_a_rebuild_under_traffic_and_readers_equals_live(
    deployment: Deployment, migrated: Database
) -> None:
    await deployment.lock_periods()
    traffic = asyncio.Event()

    async def publish_until_told() -> None:
        for number in range(100_000):
            at = datetime(2026, 5, 1, 2, tzinfo=UTC) + timedelta(minutes=7 * number)
            await deployment.publish(deployment.plant.match(f"p-{number % PEOPLE}", at.isoformat()))
            if traffic.is_set():
                return
            await asyncio.sleep(0.01)

    before = await deployment.sql.fetchval("SELECT 'attendance'::regnamespace::oid")
    async with reading(migrated, days_that_stand, pause=0.05) as answers:
        publishing = asyncio.create_task(publish_until_told())
        code, lines, errors = await deployment.rebuild()
        after_switch = len(answers)

        async def is_read_again() -> bool:
            return len(answers) > after_switch + 5

        await eventually(is_read_again)
        traffic.set()
        await publishing
        await deployment.live_is_even()
    assert (code, lines[-1]["differences"], lines[-1]["is_switched"]) == (0, [], True), errors
    assert lines[-1]["compared"] > len(TABLES)
    assert [line["step"] for line in lines if line.get("done") == 0][:2] == ["load", "sort"]
    # Readers saw the same days always, and each statement read one schema.
    (days, (used, schemas)) = answers[0]
    assert set(answers) == {(days, (used, 1))}
    assert schemas == 1
    assert used > 0
    # The name is with other tables now, and the live service writes them: what came since is there.
    after = await deployment.sql.fetchrow("SELECT oid FROM pg_namespace WHERE nspname = 'attendance'")
    assert after["oid"] != before
    assert await deployment.sql.fetchval("SELECT to_regclass('attendance.rebuild_state')") is None
    assert await deployment.sql.fetchval("SELECT count(*) FROM attendance.capture") == await in_log(
        deployment
    )
    # A second one, of the tables that the first one made, and quiet now: row by row.
    live = await deployment.tables()
    assert [table for table in TABLES if not live[table]] == ["organisation"]
    settled = await deployment.sql.fetch("SELECT settled_by IS NULL AS is_due FROM attendance.adjustment")
    assert {row["is_due"] for row in settled} == {True, False}
    assert ("2026-03-21", "day", "LEAVE", 0) not in await deployment.plant.days("p-9")
    assert {"DAY", "VOIDED"} <= {place for place, _ in await deployment.plant.places("p-1")}
    assert ("2026-04-20", "day", "PRESENT", 480) in await deployment.plant.days("p-9")
    assert "ABSENT" in {day[2] for day in await deployment.plant.days("p-0")}
    assert (await deployment.rebuild())[0] == 0
    assert await deployment.tables() == live
    assert await deployment.tables("attendance_previous") == live


async def in_log(deployment: Deployment) -> int:
    """Count the captures of all records: those of the history with a second decision count once."""
    decisions = await deployment.sql.fetchval(
        "SELECT sum(next_offset) FROM attendance.consumed_position WHERE topic LIKE '%matches'"
    )
    return int(decisions) - 40


async def reached(answers: list[int], count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while len(answers) < count:  # noqa: ASYNC110 - the reader is another task
            await asyncio.sleep(0.01)


async def test_readers_see_no_error_while_months_go(plant: Any, migrated: Database) -> None:
    await worked_half_a_year(plant)
    async with reading(migrated, days_of_all_months) as answers:
        await reached(answers, 20)
        async with open_monthly_tables(plant.url) as tables:
            done = await drop_months(tables, KeptMonths(captures=2, punches=2, days=2), date(2026, 6, 15))
        await reached(answers, len(answers) + 20)
    assert len(done.months) >= 9
    assert (answers[0], answers[-1]) == (12, 6)
    # Whole months vanish, one after the other; nobody sees a part of one.
    assert set(answers) <= {12, 10, 8, 6}
    assert answers == sorted(answers, reverse=True)
