"""Queries open the partitions of their range and no other."""

import json
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from local_stack.for_tests.databases import Database
from query_api.adapters.named_queries import named_query
from query_api.adapters.postgres_pools import PoolOptions, open_pool

pytestmark = pytest.mark.integration

DAYS = {
    "org_id": "acme",
    "sites": None,
    "person_id": None,
    "status": None,
    "after_on": None,
    "after_person_id": None,
    "after_shift_id": None,
    "limit": 10,
}
CAPTURES = {
    "org_id": "acme",
    "sites": None,
    "outcome": None,
    "device_id": None,
    "person_id": None,
    "reviewed": None,
    "after_at": None,
    "after_capture_id": None,
    "limit": 10,
}
MARCH = {"first_on": date(2026, 3, 1), "last_on": date(2026, 3, 31)}
MARCH_INSTANTS = {"starts_at": datetime(2026, 3, 1, tzinfo=UTC), "ends_at": datetime(2026, 4, 1, tzinfo=UTC)}
CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("attendance_days", DAYS | MARCH, {"attendance_day_2026_03"}),
    (
        "attendance_days",
        DAYS | {"first_on": date(2026, 2, 28), "last_on": date(2026, 3, 1)},
        {"attendance_day_2026_02", "attendance_day_2026_03"},
    ),
    (
        "explained_days",
        {"org_id": "acme", "person_id": "p-1", "sites": None} | MARCH,
        {"attendance_day_2026_03", "day_explanation_2026_03"},
    ),
    (
        "unscheduled",
        {
            "org_id": "acme",
            "sites": None,
            "person_id": None,
            "after_at": None,
            "after_punch_id": None,
            "limit": 10,
        }
        | {"first_on": date(2026, 3, 2), "last_on": date(2026, 3, 29)}
        | {"starts_at": datetime(2026, 3, 1, tzinfo=UTC), "ends_at": datetime(2026, 3, 31, tzinfo=UTC)},
        {"punch_2026_03"},
    ),
    ("captures", CAPTURES | MARCH_INSTANTS, {"capture_2026_03"}),
    (
        "capture",
        {"org_id": "acme", "sites": None, "device_id": None, "capture_id": UUID(int=1)} | MARCH_INSTANTS,
        {"capture_2026_03"},
    ),
    (
        "punch",
        {"org_id": "acme", "sites": None, "device_id": None, "punch_id": UUID(int=1)} | MARCH_INSTANTS,
        {"punch_2026_03"},
    ),
    (
        "correction",
        {"org_id": "acme", "sites": None, "subject": "u", "correction_id": UUID(int=1)} | MARCH_INSTANTS,
        {"capture_2026_03"},
    ),
]
# Each process of a run has to give a case the same name: a set has no order.
CASE_IDS = ["-".join((name, *sorted(expected))) for name, _, expected in CASES]


@pytest.fixture
async def connection(read_database: Database) -> AsyncIterator[asyncpg.pool.PoolConnectionProxy]:
    options = PoolOptions(size=1, statement_timeout_ms=5000, connect_timeout_seconds=2.0)
    async with open_pool(read_database.query_url, options) as pool, pool.acquire() as made:
        await made.execute("SET attendance.org_id TO acme")
        yield made


@pytest.mark.parametrize(("name", "values", "expected"), CASES, ids=CASE_IDS)
async def test_only_partitions_in_range_are_opened(
    connection: asyncpg.Connection, name: str, values: dict[str, Any], expected: set[str]
) -> None:
    query = named_query(name)
    for _ in range(7):  # more often than PostgreSQL tries custom plans by itself
        plan = await connection.fetchval(
            f"EXPLAIN (ANALYZE, FORMAT JSON) {query.text}", *query.arguments(values)
        )
    relations = re.findall(r'"Relation Name": "(\w+)"', json.dumps(json.loads(plan)))
    assert {relation for relation in relations if re.search(r"_\d{4}_\d{2}$", relation)} == expected


async def test_a_page_deep_in_a_range_does_not_open_the_months_before(
    connection: asyncpg.Connection,
) -> None:
    query = named_query("attendance_days")
    values = DAYS | {
        "first_on": date(2026, 3, 2),
        "last_on": date(2026, 4, 30),
        "after_on": date(2026, 3, 2),
        "after_person_id": "p-1",
        "after_shift_id": "day",
    }
    plan = await connection.fetchval(f"EXPLAIN {query.text}", *query.arguments(values))
    assert "attendance_day_2026_01" not in plan


def test_every_query_over_partitions_has_a_case() -> None:
    tables = re.compile(r"attendance\.(attendance_day|day_explanation|capture|punch)\b")
    found = [each.name for each in files("query_api").joinpath("sql").iterdir()]
    names = [name.removesuffix(".sql") for name in found if name.endswith(".sql")]
    partitioned = {name for name in names if tables.search(named_query(name).text)}
    assert partitioned == {name for name, _, _ in CASES}


@pytest.mark.parametrize(("name", "values", "expected"), CASES, ids=CASE_IDS)
async def test_with_years_of_partitions_the_plan_names_only_those_in_range(
    read_database: Database, name: str, values: dict[str, Any], expected: set[str]
) -> None:
    """The other partitions are not even planned for: three years cost a query nothing."""
    owner = await asyncpg.connect(read_database.url, server_settings={"search_path": "attendance"})
    months = [date(year, month, 1) for year in (2024, 2025, 2026) for month in range(1, 13)]
    await owner.execute("SELECT ensure_partitions(table_name, $1::date[]) FROM partitioned_table", months)
    await owner.close()
    query = named_query(name)
    options = PoolOptions(size=1, statement_timeout_ms=5000, connect_timeout_seconds=2.0)
    async with open_pool(read_database.query_url, options) as pool:
        await pool.execute("SET attendance.org_id TO acme")
        plan = await pool.fetchval(f"EXPLAIN (FORMAT JSON) {query.text}", *query.arguments(values))
    assert set(re.findall(r'"Relation Name": "(\w+_\d{4}_\d{2})"', plan)) == expected
    assert not re.search('"Subplans Removed": [1-9]', plan)
