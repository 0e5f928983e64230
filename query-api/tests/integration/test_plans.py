"""Every query on a large organisation: by its indexes, in its months, with few blocks read.

The rows are made by `plans.sql`: a million days, 6,000 sites each with locks of its own, 200,000 people. What
is asserted is the plan, since a clock measures the machine too; how long each took is printed (`-s`).
"""

import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping
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

OPTIONS = PoolOptions(size=1, statement_timeout_ms=20_000, connect_timeout_seconds=5.0)
# Who reads one of these from end to end reads what has nothing to do with the question.
LARGE = re.compile(
    r"(attendance_day|day_explanation|capture|punch)_\d{4}_\d{2}|person|locked_person|enrolment|adjustment"
    r"|awaited_fact|dead_letter|correction|erasure|erased_person"
)
# Of 8 KiB: a page of a hundred rows with what belongs to each.
MOST_BLOCKS = 4000
# A hundred times what most take here; the goal is 50 ms.
SLOWEST_MS = 2000.0

ORG = {"org_id": "big", "sites": None}
PAGE = {"limit": 101}
NOVEMBER = {"first_on": date(2025, 11, 1), "last_on": date(2025, 11, 30)}
YEAR = {"first_on": date(2025, 1, 1), "last_on": date(2025, 12, 31)}
QUARTER = {"starts_at": datetime(2025, 10, 1, tzinfo=UTC), "ends_at": datetime(2026, 1, 1, tzinfo=UTC)}
DAYS = (
    ORG
    | PAGE
    | {
        "person_id": None,
        "status": None,
        "after_on": None,
        "after_person_id": None,
        "after_shift_id": None,
    }
)
CAPTURES = (
    ORG
    | PAGE
    | QUARTER
    | {
        "outcome": None,
        "device_id": None,
        "person_id": None,
        "reviewed": None,
        "after_at": None,
        "after_capture_id": None,
    }
)
FATE = ORG | {"kinds": ["CaptureReceived", "MatchDecided"], "device_id": None, "subject": "u"}
SEVEN = UUID("8f14e45f-ceea-167a-5a36-dedd4bea2543")  # md5 of 7
PEOPLE = ORG | PAGE | {"text": None, "pattern": None, "after": None}
PRESENT = ORG | {
    "open_after": datetime(2025, 12, 30, 20, tzinfo=UTC),
    "now": datetime(2025, 12, 31, 12, tzinfo=UTC),
}
ADJUSTMENTS = (
    ORG
    | PAGE
    | {
        "first_on": date(2025, 12, 1),
        "last_on": date(2025, 12, 31),
        "person_id": None,
        "after_on": None,
        "after_person_id": None,
        "after_attendance_on": None,
        "after_shift_id": None,
    }
)
REFUSED = (
    {"org_id": "big", "made_by": None}
    | PAGE
    | QUARTER
    | {"after_at": None, "after_kind": None, "after_fact_id": None, "after_reason": None}
)
NOVEMBER_INSTANTS = {
    "starts_at": datetime(2025, 10, 31, tzinfo=UTC),
    "ends_at": datetime(2025, 12, 2, tzinfo=UTC),
}
YEAR_INSTANTS = {
    "starts_at": datetime(2024, 12, 31, tzinfo=UTC),
    "ends_at": datetime(2026, 1, 2, tzinfo=UTC),
}
UNSCHEDULED = (
    ORG | PAGE | NOVEMBER | NOVEMBER_INSTANTS | {"person_id": None, "after_at": None, "after_punch_id": None}
)
LOCKS = ORG | PAGE | NOVEMBER | {"after_on": None, "after_lock_id": None}
SOMEBODY = {"org_id": "big", "person_id": "p-001234"}
# Name of the query, what is asked, the values, rows of the answer.
CASES: list[tuple[str, str, Mapping[str, Any], int]] = [
    ("attendance_days", "locked site by site", DAYS | NOVEMBER, 101),
    ("attendance_days", "of a year", DAYS | YEAR, 101),
    (
        "attendance_days",
        "deep in a month",
        DAYS
        | {"first_on": date(2025, 11, 17), "last_on": date(2025, 11, 30)}
        | {"after_on": date(2025, 11, 17), "after_person_id": "p-020000", "after_shift_id": "day"},
        101,
    ),
    ("attendance_days", "of a site", DAYS | NOVEMBER | {"sites": ["site-17"]}, 15),
    ("attendance_days", "of a site without any", DAYS | YEAR | {"sites": ["elsewhere"]}, 0),
    ("attendance_days", "of a person", DAYS | YEAR | {"person_id": "p-001234"}, 33),
    ("attendance_days", "with a status of few", DAYS | NOVEMBER | {"status": "HALF_DAY"}, 101),
    ("attendance_days", "with a status of very few", DAYS | YEAR | {"status": "ABSENT"}, 33),
    ("attendance_days", "with a status of nobody", DAYS | YEAR | {"status": "LEAVE"}, 0),
    ("explained_days", "of a person", SOMEBODY | YEAR | {"sites": None}, 33),
    ("presence_counts", "of all sites", PRESENT, 4000),
    ("presence_counts", "of a site", PRESENT | {"sites": ["site-1"]}, 1),
    ("present_people", "of all sites", PRESENT | PAGE | {"after": None}, 101),
    ("present_people", "deep in the list", PRESENT | PAGE | {"after": "p-020000"}, 101),
    ("present_people", "of a site", PRESENT | PAGE | {"after": None, "sites": ["site-1"]}, 5),
    ("present_people", "nobody", PRESENT | PAGE | {"after": None, "open_after": PRESENT["now"]}, 0),
    ("captures", "of all sites", CAPTURES, 101),
    ("captures", "of a site", CAPTURES | {"sites": ["site-7"]}, 34),
    ("captures", "of a site without any", CAPTURES | {"sites": ["site-5999"]}, 0),
    ("captures", "of a device", CAPTURES | {"device_id": "kiosk-7"}, 34),
    ("captures", "of a person", CAPTURES | {"person_id": "p-001234"}, 7),
    ("captures", "to be reviewed", CAPTURES | {"outcome": "REVIEW"}, 101),
    ("captures", "that are left to review", CAPTURES | {"outcome": "REVIEW", "reviewed": False}, 100),
    ("captures", "with an outcome of none", CAPTURES | {"outcome": "SUSPECTED_SPOOF"}, 0),
    (
        "capture",
        "by id",
        ORG | QUARTER | {"capture_id": UUID("c4ca4238-a0b9-2382-0dcc-509a6f75849b"), "device_id": None},
        1,
    ),
    ("people", "by nothing", PEOPLE, 101),
    ("people", "by a rare text", PEOPLE | {"text": "quexing", "pattern": "%quexing%"}, 1),
    ("people", "by a text of nobody", PEOPLE | {"text": "zebedee", "pattern": "%zebedee%"}, 0),
    ("people", "by a frequent text", PEOPLE | {"text": "asha", "pattern": "%asha%"}, 101),
    ("people", "by badge", PEOPLE | {"text": "b-77777", "pattern": "%b-77777%"}, 1),
    ("people", "of a site", PEOPLE | {"sites": ["site-17"]}, 34),
    ("person", "by id", SOMEBODY | {"sites": None}, 1),
    ("enrolment", "by id", ORG | {"enrolment_id": UUID("c4ca4238-a0b9-2382-0dcc-509a6f75849b")}, 1),
    ("adjustments", "of a month", ADJUSTMENTS, 101),
    ("adjustments", "of a person", ADJUSTMENTS | {"person_id": "p-000010"}, 1),
    ("period_locks", "of a month", LOCKS, 101),
    ("unscheduled", "of a month", UNSCHEDULED, 101),
    ("unscheduled", "of a year", UNSCHEDULED | YEAR | YEAR_INSTANTS, 101),
    (
        "unscheduled",
        "deep in a year",
        UNSCHEDULED
        | YEAR
        | YEAR_INSTANTS
        | {"after_at": datetime(2025, 11, 10, tzinfo=UTC), "after_punch_id": UUID(int=0)}
        | {"starts_at": datetime(2025, 11, 10, tzinfo=UTC)},
        101,
    ),
    ("unscheduled", "of a site", UNSCHEDULED | {"sites": ["site-3500"]}, 1),
    (
        "unscheduled",
        "of a site without any",
        UNSCHEDULED | YEAR | YEAR_INSTANTS | {"sites": ["site-5000"]},
        0,
    ),
    ("unscheduled", "of a person", UNSCHEDULED | YEAR | YEAR_INSTANTS | {"person_id": "p-003500"}, 1),
    ("refused_facts", "of a quarter", REFUSED, 101),
    ("refused_facts", "of one maker", REFUSED | {"made_by": "supervisor-7"}, 40),
    ("fate", "refused", FATE | {"fact_id": "f899139d-f5e1-0593-9643-1415e770c6dd"}, 1),
    ("fate", "waiting", FATE | {"fact_id": "3cd48215-ef4a-c20c-dcac-8d8ffd79dece"}, 1),
    ("fate", "a dead letter", FATE | {"fact_id": "fa56b8fc-724c-2a68-1736-c0d122336b98"}, 1),
    ("fate", "unknown", FATE | {"fact_id": str(UUID(int=7))}, 0),
    ("as_of", "now", {"org_id": "big"}, 0),
    ("punch", "by id", ORG | QUARTER | {"punch_id": SEVEN, "device_id": None}, 1),
    ("correction", "by id", ORG | QUARTER | {"correction_id": SEVEN, "subject": "u"}, 1),
    ("erasure", "by id", ORG | {"erasure_id": SEVEN, "subject": "u"}, 1),
    ("names", "of one", SOMEBODY | {"site_id": "site-1"}, 1),
    ("device", "that asks", {"org_id": "big", "device_id": "kiosk-7"}, 1),
    ("organisation", "the caller's", {"org_id": "big"}, 1),
    (
        "presence_names",
        "of a page",
        {"org_id": "big", "people": ["p-000001", "p-000002"], "sites": ["site-1"]},
        3,
    ),
]


@pytest.fixture
async def large(large_database: Database) -> AsyncIterator[asyncpg.Pool]:
    owner = await asyncpg.connect(large_database.url, ssl=False)
    await owner.execute("VACUUM ANALYZE")
    await owner.close()
    async with open_pool(large_database.query_url, OPTIONS) as pool:
        await pool.execute("SET attendance.org_id TO big")
        yield pool


def nodes(plan: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from nodes(each)


async def test_every_query_reads_little_of_a_large_organisation(large: asyncpg.Pool) -> None:
    wrong = []
    for name, asked, values, rows in CASES:
        query = named_query(name)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query.text}"
        for _ in range(2):  # the second time all is in memory
            (found,) = json.loads(await large.fetchval(explain, *query.arguments(values)))
        plan, took = found["Plan"], found["Execution Time"] + found["Planning Time"]
        blocks = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        print(f"{name} {asked}: {plan['Actual Rows']:.0f} rows, {blocks} blocks, {took:.1f} ms")
        read_whole = {
            each["Relation Name"]
            for each in nodes(plan)
            if each["Node Type"] == "Seq Scan" and LARGE.fullmatch(each["Relation Name"])
        }
        if read_whole or blocks > MOST_BLOCKS or plan["Actual Rows"] != rows or took > SLOWEST_MS:
            wrong.append((name, asked, f"{plan['Actual Rows']:.0f} rows", f"{blocks} blocks", read_whole))
    assert wrong == []


def test_every_query_has_a_case() -> None:
    found = [each.name for each in files("query_api").joinpath("sql").iterdir()]
    names = {name.removesuffix(".sql") for name in found if name.endswith(".sql")}
    assert {name for name, *_ in CASES} == names - {"ping"}
