"""Months that are not kept are dropped under readers, stay dropped, and a rebuild agrees."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from attendance_projector.adapters.postgres_retention import RetentionTables, open_tables
from attendance_projector.domain.retention import KeptMonths
from attendance_projector.drop_months import Dropped, drop_months
from attendance_projector.errors import RetentionRefused
from attendance_schemas.events import DayStatus
from local_stack.databases import Database
from query_api.adapters.postgres_pools import PoolOptions, ReadPools, open_pool
from query_api.metrics import QueryApiMetrics
from service_kit.errors import PoisonRecord

pytestmark = pytest.mark.integration

TODAY = date(2026, 6, 15)
# Captures and punches from April on, days from March on; facts count from May on, before 21 April: final.
KEEP = KeptMonths(captures=2, punches=2, days=3)
DEADLINE = 30.0


async def dropped(plant: Any, keep: KeptMonths = KEEP, **options: bool) -> Dropped:
    async with open_tables(plant.url) as tables:
        return await drop_months(tables, keep, TODAY, **options)


async def months(plant: Any, table: str) -> list[str]:
    rows = await plant.sql.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = $1::regclass ORDER BY 1",
        table,
    )
    return [row["name"].removeprefix(f"{table}_") for row in rows]


async def worked_half_a_year(plant: Any) -> list[Any]:
    """Two punches on the 10th and the 25th of January to June."""
    events = [
        plant.match("asha", f"2026-{month:02}-{day}T{hour}:00:00+05:30")
        for month in range(1, 7)
        for day in ("10", "25")
        for hour in ("08", "12")
    ]
    await plant.tell(*events)
    return events


async def test_what_would_be_dropped_is_said_and_left(plant: Any) -> None:
    await worked_half_a_year(plant)
    before = await plant.tables()
    said = await dropped(plant, dry_run=True)
    assert {each.parent for each in said.months} == {"capture", "punch", "attendance_day"}
    assert await plant.tables() == before
    assert (await dropped(plant, KeptMonths())).months == []
    assert await plant.tables() == before


async def test_dropped_months_are_gone_and_late_facts_do_not_bring_them_back(plant: Any) -> None:
    events = await worked_half_a_year(plant)
    done = await dropped(plant)
    assert await months(plant, "punch") == await months(plant, "capture")
    assert min(await months(plant, "punch")) == "2026_04"
    assert min(await months(plant, "attendance_day")) == "2026_03"
    assert [f"{each.month:%m}" for each in done.months if each.parent == "punch"] == ["01", "02", "03"]
    before = await plant.tables("capture", "punch", "attendance_day")
    too_late = (
        plant.match("asha", "2026-01-12T08:00:00+05:30"),
        plant.match("asha", "2026-04-12T08:00:00+05:30"),  # the oldest month that is kept is final
        plant.match("asha", events[0].occurred_at.isoformat(), events[0].capture_id, decision_round=1),
        plant.punch("b-9", "2026-02-12T08:00:00+05:30"),
        plant.addition("asha", "2026-03-12T08:00:00+05:30"),
        plant.override("asha", date(2026, 3, 10), DayStatus.PRESENT),
    )
    for event in too_late:
        with pytest.raises(PoisonRecord, match="count from 2026-0") as refused:
            await plant.tell(event)
        assert refused.value.reason == "month-no-longer-kept"
        assert refused.value.record is not None
    await plant.tell(plant.review(events[0].capture_id, "somebody"), plant.void("asha", events[12]))
    assert await plant.tables("capture", "punch", "attendance_day") == before
    assert min(await months(plant, "attendance_day")) == "2026_03"


async def test_facts_about_kept_months_count_and_final_days_stand(plant: Any) -> None:
    await worked_half_a_year(plant)
    final = "SELECT xmin, * FROM attendance_day WHERE attendance_on < '2026-04-21' ORDER BY attendance_on"
    await dropped(plant)
    before = await plant.sql.fetch(final)
    assert [f"{row['attendance_on']:%m-%d}" for row in before] == ["03-10", "03-25", "04-10"]
    await plant.tell(plant.match("asha", "2026-05-01T08:00:00+05:30"))
    # Another shift, another home, and a policy that expects her since January: only open dates change.
    await plant.tell(plant.shift("day", 9, 13))
    await plant.tell(
        plant.policy(date(2026, 1, 1), expects_attendance=True), plant.tick("2026-06-15T12:00:00Z")
    )
    assert await plant.sql.fetch(final) == before
    days = await plant.sql.fetch("SELECT * FROM attendance_day WHERE attendance_on >= '2026-04-21'")
    by_date = {f"{row['attendance_on']:%m-%d}": row for row in days}
    assert min(by_date) == "04-21"
    assert by_date["04-22"]["status"] == "ABSENT"
    assert by_date["05-01"]["punch_count"] == 1
    assert by_date["05-10"]["punch_count"] == 2
    assert min(await months(plant, "punch")) == "2026_04"


async def test_months_that_payroll_has_not_closed_stay(plant: Any) -> None:
    await worked_half_a_year(plant)
    await plant.sql.execute(
        "INSERT INTO period_lock (lock_id, org_id, starts_on, ends_on, in_force)"
        " VALUES (gen_random_uuid(), 'org', '2026-02-01', '2026-02-28', true)"
    )
    done = await dropped(plant)
    assert done.retention.facts_from == date(2026, 3, 1)
    assert min(await months(plant, "punch")) == "2026_02"


async def test_a_badge_that_comes_too_late_counts_nothing(plant: Any) -> None:
    await plant.tell(
        plant.punch("b-1", "2026-02-10T08:00:00+05:30"), plant.punch("b-1", "2026-05-10T08:00:00+05:30")
    )
    done = await dropped(plant)
    assert done.forgotten_punches == 1
    await plant.tell(plant.person("binod", badge="b-1"))
    assert await plant.places("binod") == [("DAY", "2026-05-10")]


@asynccontextmanager
async def polling(database: Database) -> AsyncIterator[list[int]]:
    """Read days and captures of all months all the time, as query-api does; an error fails the test."""
    answers: list[int] = []
    done = asyncio.Event()
    span = {"first_on": date(2026, 1, 1), "last_on": date(2026, 6, 30)}
    after = {"after_on": None, "after_person_id": None, "after_shift_id": None}
    filters = {"org_id": "org", "sites": None, "person_id": None, "status": None, "limit": 1000}

    async def poll() -> None:
        options = PoolOptions(size=4, statement_timeout_ms=5000, connect_timeout_seconds=2.0)
        async with open_pool(database.query_url, options) as pool:
            metrics = QueryApiMetrics(CollectorRegistry())
            pools = ReadPools(
                pool, None, metrics, monotonic=asyncio.get_running_loop().time, retry_seconds=1.0
            )
            while not done.is_set():
                answers.append(len(await pools.fetch("attendance_days", **filters, **span, **after)))
                await pools.fetch("explained_days", org_id="org", person_id="asha", sites=None, **span)

    task = asyncio.create_task(poll())
    try:
        yield answers
    finally:
        done.set()
        await task


async def reached(answers: list[int], count: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while len(answers) < count:  # noqa: ASYNC110 - the reader is another task
            await asyncio.sleep(0.01)


async def test_readers_see_no_error_while_months_go(plant: Any, migrated: Database) -> None:
    await worked_half_a_year(plant)
    async with polling(migrated) as answers:
        await reached(answers, 20)
        done = await dropped(plant, KeptMonths(captures=2, punches=2, days=2))
        await reached(answers, len(answers) + 20)
    assert len(done.months) >= 9
    assert (answers[0], answers[-1]) == (12, 6)
    # Whole months vanish, one after the other; nobody sees a part of one.
    assert set(answers) <= {12, 10, 8, 6}
    assert answers == sorted(answers, reverse=True)


async def test_a_month_waits_for_its_readers_and_a_killed_command_goes_on(plant: Any) -> None:
    await worked_half_a_year(plant)
    reader = await asyncpg.connect(plant.url, server_settings={"search_path": "attendance"})
    reading = reader.transaction()
    await reading.start()
    await reader.fetchval("SELECT count(*) FROM punch")

    async def command() -> None:
        async with open_tables(plant.url) as tables:
            await drop_months(tables, KeptMonths(punches=2, days=6), TODAY)

    running = asyncio.create_task(command())
    async with asyncio.timeout(DEADLINE):
        while not await plant.sql.fetchval("SELECT count(*) FROM pg_inherits WHERE inhdetachpending"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    # Others read and write meanwhile; what is being detached is not seen any more.
    assert await plant.sql.fetchval("SELECT count(*) FROM punch") == 20
    await plant.tell(plant.match("asha", "2026-06-11T08:00:00+05:30"))
    await plant.sql.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'attendance-projector retention' AND datname = current_database()"
    )
    with pytest.raises((asyncpg.PostgresError, OSError)):
        await running
    await reading.rollback()
    await reader.close()
    async with open_tables(plant.url) as tables:
        [first, *_] = [each for each in await tables.months(await tables.retention()) if each.is_pending]
        await tables.detach(first)  # killed again, before it was dropped
    done = await dropped(plant, KeptMonths(punches=2, days=6))
    assert first.child in {each.child for each in done.months}
    assert min(await months(plant, "punch")) == "2026_04"
    assert await plant.sql.fetchval("SELECT to_regclass('punch_2026_01')") is None


async def test_detached_months_can_be_put_aside(plant: Any) -> None:
    await worked_half_a_year(plant)
    await dropped(plant, keep_detached=True)
    archived = "SELECT count(*) FROM attendance_archive.punch_2026_01"
    assert await plant.sql.fetchval(archived) == 4
    assert (await dropped(plant, keep_detached=True)).months == []


async def test_only_one_and_never_beside_a_rebuild(plant: Any) -> None:
    async with open_tables(plant.url) as tables:
        assert isinstance(tables, RetentionTables)
        with pytest.raises(RetentionRefused, match="run it again"):
            await dropped(plant)
